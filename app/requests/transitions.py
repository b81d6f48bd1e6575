"""What may happen to a request: the one table. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.errors import Problem, ProblemError
from app.requests.schemas import CustomerRequest, EventKind, Status
from app.routing.engine import Decision
from app.sla import clock
from app.sla.clock import Deadlines, WorkingCalendar
from app.topics.schemas import Agreement, Priority

OPEN = frozenset(Status) - {Status.CLOSED}
TOP_LINE = 3


@dataclass(frozen=True, slots=True)
class Transition:
    """From which states an event leads where; `target` null: the state stays."""

    sources: frozenset[Status]
    target: Status | None
    comment: str


TRANSITIONS = {
    EventKind.TAKEN: Transition(
        frozenset({Status.NEW}), Status.IN_PROGRESS, "an operator answers for it from now on"
    ),
    EventKind.ASSIGNED: Transition(
        frozenset({Status.NEW, Status.IN_PROGRESS, Status.WAITING}), None, "a head gives it to another"
    ),
    EventKind.ESCALATED: Transition(
        frozenset({Status.NEW, Status.IN_PROGRESS}), Status.NEW, "the next line of support shall take it"
    ),
    EventKind.HANDED_OVER: Transition(
        frozenset({Status.NEW, Status.IN_PROGRESS}), Status.HANDED_OVER, "another team works on it elsewhere"
    ),
    EventKind.EXTERNAL: Transition(
        frozenset({Status.HANDED_OVER}), None, "the other system tells its status"
    ),
    EventKind.RETURNED: Transition(
        frozenset({Status.HANDED_OVER}), Status.IN_PROGRESS, "the other team is done; ours goes on"
    ),
    EventKind.WAITING: Transition(
        frozenset({Status.IN_PROGRESS}), Status.WAITING, "the customer is asked; the clock stands still"
    ),
    EventKind.RESUMED: Transition(
        frozenset({Status.WAITING}), Status.IN_PROGRESS, "the customer answered; the clock runs again"
    ),
    EventKind.MESSAGE: Transition(frozenset(Status), None, "a letter, either way"),
    EventKind.ATTACHED: Transition(frozenset(Status), None, "a file"),
    EventKind.CLOSED: Transition(
        frozenset({Status.IN_PROGRESS, Status.WAITING, Status.HANDED_OVER}),
        Status.CLOSED,
        "solved, with the resolution",
    ),
    EventKind.REOPENED: Transition(
        frozenset({Status.CLOSED}), Status.NEW, "the customer wrote again; its clock begins anew"
    ),
    EventKind.RATED: Transition(frozenset({Status.CLOSED}), None, "the customer says how it went"),
}


def follow(request: CustomerRequest, kind: EventKind) -> CustomerRequest:
    """The request in its next state, one version on. Raises ProblemError (wrong-state)."""
    transition = TRANSITIONS[kind]
    if request.status not in transition.sources:
        wanted = ", ".join(sorted(transition.sources))
        detail = f"the request is {request.status}; only {wanted} can be {kind}"
        raise ProblemError(Problem.WRONG_STATE, detail, state=request.status)
    return replace(request, status=transition.target or request.status, version=request.version + 1)


def taken(request: CustomerRequest, operator: str, at: datetime) -> CustomerRequest:
    """The first taking stops the reaction clock; a later one, on the next line, does not move it."""
    return replace(follow(request, EventKind.TAKEN), assignee=operator, taken_at=request.taken_at or at)


def closed(
    request: CustomerRequest, resolution: str, at: datetime, calendar: WorkingCalendar | None
) -> CustomerRequest:
    """The time that the customer was waited for is the customer's, also if nothing followed but the end.

    `calendar`: None for a request whose topic the directory never had; its deadline stays.
    """
    done = follow(request, EventKind.CLOSED)
    due = request.solution_due if calendar is None else _solution_due(request, at, calendar)
    return replace(_awaits_nobody(done), resolution=resolution, closed_at=at, solution_due=due)


def may_reopen(request: CustomerRequest, at: datetime, within: timedelta) -> bool:
    """Whether a closed request is still the matter of who writes now. Never, where `within` is nothing."""
    return request.closed_at is not None and at - request.closed_at < within


def reopened(
    request: CustomerRequest, at: datetime, due: Deadlines, topic_version: int, decision: Decision | None
) -> CustomerRequest:
    """As if it had arrived at `at`. What belongs to its closing is undone; so its next one asks again (R10).

    `due` by version `topic_version` of its topic. `decision`: whose it is now; None: whose it was.
    """
    again = replace(
        follow(request, EventKind.REOPENED),
        taken_at=None,
        closed_at=None,
        resolution=None,
        rating=None,
        reopened_at=at,
        topic_version=topic_version,
        reaction_due=due.reaction_due,
        solution_due=due.solution_due,
    )
    return again if decision is None else _as_decided(again, decision)


def assigned(request: CustomerRequest, assignee: str, unit: str) -> CustomerRequest:
    return replace(follow(request, EventKind.ASSIGNED), assignee=assignee, unit=unit)


def escalated(request: CustomerRequest, decision: Decision) -> CustomerRequest:
    """As the rule says that decides now. Its deadlines are still those of the priority before."""
    return _as_decided(follow(request, EventKind.ESCALATED), decision)


def _as_decided(request: CustomerRequest, decision: Decision) -> CustomerRequest:
    return replace(
        request,
        line=decision.line,
        unit=decision.unit,
        assignee=decision.assignee,
        priority=decision.priority,
    )


def reprioritised(
    request: CustomerRequest, before: Priority, agreement: Agreement, calendar: WorkingCalendar
) -> CustomerRequest:
    """The deadlines of its priority, from its arrival or reopening, by the agreement of then.

    That of the reaction only while there was none.
    """
    began = request.reopened_at or request.created_at
    old, new = agreement.times(before), agreement.times(request.priority)
    reaction = timedelta(minutes=new.reaction_minutes - old.reaction_minutes)
    solution = timedelta(minutes=new.solution_minutes - old.solution_minutes)

    def moved(due: datetime | None, change: timedelta) -> datetime | None:
        return due and clock.rescheduled(began, due, change, calendar)

    reaction_due = moved(request.reaction_due, reaction) if request.taken_at is None else request.reaction_due
    return replace(request, reaction_due=reaction_due, solution_due=moved(request.solution_due, solution))


def next_line(request: CustomerRequest) -> int:
    """Raises ProblemError (wrong-state) above the third."""
    if request.line >= TOP_LINE:
        raise ProblemError(Problem.WRONG_STATE, "there is no line above the third", state=f"line {TOP_LINE}")
    return request.line + 1


def handed_over(request: CustomerRequest, system: str, reference: str, at: datetime) -> CustomerRequest:
    return replace(
        follow(request, EventKind.HANDED_OVER),
        external_system=system,
        external_reference=reference,
        taken_at=request.taken_at or at,
    )


def waiting(request: CustomerRequest, at: datetime, until: datetime) -> CustomerRequest:
    return replace(follow(request, EventKind.WAITING), waiting_since=at, waiting_due=until)


def resumed(request: CustomerRequest, at: datetime, calendar: WorkingCalendar) -> CustomerRequest:
    """The solution's deadline moves on by the working time that was waited."""
    due = _solution_due(request, at, calendar)
    return replace(_awaits_nobody(follow(request, EventKind.RESUMED)), solution_due=due)


def _awaits_nobody(request: CustomerRequest) -> CustomerRequest:
    return replace(request, waiting_since=None, waiting_due=None)


def _solution_due(request: CustomerRequest, at: datetime, calendar: WorkingCalendar) -> datetime | None:
    """As it is after the pause, if there is one."""
    if request.solution_due is None or request.waiting_since is None:
        return request.solution_due
    return clock.resumed(request.solution_due, request.waiting_since, at, calendar)


def rated(request: CustomerRequest, rating: int) -> CustomerRequest:
    return replace(follow(request, EventKind.RATED), rating=rating)
