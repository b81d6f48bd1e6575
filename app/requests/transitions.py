"""What may happen to a request: the one table. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from app.errors import Problem, ProblemError
from app.requests.schemas import CustomerRequest, EventKind, Status


@dataclass(frozen=True, slots=True)
class Transition:
    """From which states an event leads where."""

    sources: frozenset[Status]
    target: Status
    comment: str


TRANSITIONS = {
    EventKind.TAKEN: Transition(
        frozenset({Status.NEW}), Status.IN_PROGRESS, "an operator answers for it from now on"
    ),
    EventKind.CLOSED: Transition(
        frozenset({Status.IN_PROGRESS}), Status.CLOSED, "solved, with the resolution"
    ),
}


def follow(request: CustomerRequest, kind: EventKind) -> CustomerRequest:
    """The request in its next state, one version on. Raises ProblemError (wrong-state)."""
    transition = TRANSITIONS[kind]
    if request.status not in transition.sources:
        wanted = ", ".join(sorted(transition.sources))
        detail = f"the request is {request.status}; only {wanted} can be {kind}"
        raise ProblemError(Problem.WRONG_STATE, detail, state=request.status)
    return replace(request, status=transition.target, version=request.version + 1)


def taken(request: CustomerRequest, operator: str, at: datetime) -> CustomerRequest:
    return replace(follow(request, EventKind.TAKEN), assignee=operator, taken_at=at)


def closed(request: CustomerRequest, resolution: str, at: datetime) -> CustomerRequest:
    return replace(follow(request, EventKind.CLOSED), resolution=resolution, closed_at=at)
