"""What happens to a request after its registration. Every move is one event and one version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, invalid, not_found
from app.http import etag
from app.identity import now
from app.notifications import repository as notifications
from app.notifications.schemas import NoticeKind
from app.requests import correspondence, events, repository, transitions
from app.requests.schemas import (
    AssignForm,
    CloseForm,
    CustomerRequest,
    Event,
    EventKind,
    ExternalForm,
    HandOverForm,
    RatingForm,
    StepForm,
    TakeForm,
)
from app.routing import service as routing
from app.routing.repository import Setting
from app.sla.waiting import waiting_due
from app.topics.schemas import Occasion, Priority

Work = Callable[[WriteUnit], Awaitable[Answer]]
Step = Callable[[WriteUnit, CustomerRequest, datetime], Awaitable[CustomerRequest]]


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a request, and what the history says about it."""

    kind: EventKind
    actor: str
    note: str | None
    step: Step


async def make(database: Database, command: Command, id_: UUID, move: Move) -> Committed:
    """Raises ProblemError: not-found, wrong-state, validation."""

    async def work(unit: WriteUnit) -> Answer:
        moved = await apply(unit, id_, move)
        return Answer(200, encode(moved), {"ETag": etag(moved.version)})

    return await database.write(command, work)


async def apply(unit: WriteUnit, id_: UUID, move: Move) -> CustomerRequest:
    """Raises ProblemError: not-found, wrong-state, validation."""
    return await on(unit, await locked(unit, id_), move)


async def locked(unit: WriteUnit, id_: UUID) -> CustomerRequest:
    """Raises ProblemError: not-found."""
    request = await repository.lock(unit, id_)
    if request is None:
        raise not_found("request")
    return request


async def on(unit: WriteUnit, request: CustomerRequest, move: Move) -> CustomerRequest:
    """The request must be locked."""
    moment = now()
    moved = await move.step(unit, request, moment)
    await repository.update(unit, moved)
    event = Event(moved.version, move.kind, moment, move.actor, move.note)
    await events.record(unit, moved, event)
    return moved


def take(form: TakeForm) -> Move:
    async def step(_: WriteUnit, request: CustomerRequest, at: datetime) -> CustomerRequest:
        return transitions.taken(request, form.operator, at)

    return Move(EventKind.TAKEN, form.operator, form.note, step)


def close(form: CloseForm) -> Move:
    async def step(unit: WriteUnit, request: CustomerRequest, at: datetime) -> CustomerRequest:
        setting = await routing.setting_now(unit, request.topic, request.customer_id, request.region)
        calendar = None if setting is None else setting.calendar
        closed = transitions.closed(request, form.resolution, at, calendar)
        if setting is not None:
            await correspondence.write_to_customer(unit, closed, setting, Occasion.CLOSED)
        return closed

    return Move(EventKind.CLOSED, form.operator, form.note, step)


def assign(form: AssignForm) -> Move:
    """A head gives the request to another, who is told."""

    async def step(unit: WriteUnit, request: CustomerRequest, _: datetime) -> CustomerRequest:
        of_unit = await repository.unit_of(unit, form.assignee)
        if of_unit is None:
            raise invalid([FieldError("/assignee", "unknown-code", "nobody at work has this code")])
        moved = transitions.assigned(request, form.assignee, of_unit)
        await notifications.tell(unit, NoticeKind.ASSIGNED, moved)
        return moved

    return Move(EventKind.ASSIGNED, form.operator, form.note, step)


def escalate(form: StepForm) -> Move:
    """To the next line, where the engine finds somebody; the rule that decides may name the priority."""

    async def step(unit: WriteUnit, request: CustomerRequest, _: datetime) -> CustomerRequest:
        line = transitions.next_line(request)
        setting = await routing.setting_of(unit, request.topic, request.customer_id, request.region)
        decision = await routing.assign(
            unit, setting, request.channel, line=line, priority=request.priority, least_line=line
        )
        moved = await _on_its_clock(unit, setting, request.priority, transitions.escalated(request, decision))
        await repository.routed(unit, request.id, decision)
        await notifications.tell(unit, NoticeKind.ASSIGNED, moved)
        return moved

    return Move(EventKind.ESCALATED, form.operator, form.note, step)


async def _on_its_clock(
    unit: WriteUnit, setting: Setting, before: Priority, request: CustomerRequest
) -> CustomerRequest:
    """With the deadlines of its priority, if that is another than before."""
    if request.priority is before:
        return request
    agreement = await routing.agreement_of(unit, request.topic, request.topic_version)
    if agreement is None:
        return request
    return transitions.reprioritised(request, before, agreement, setting.calendar)


def hand_over(form: HandOverForm) -> Move:
    async def step(_: WriteUnit, request: CustomerRequest, at: datetime) -> CustomerRequest:
        return transitions.handed_over(request, form.system, form.reference, at)

    return Move(EventKind.HANDED_OVER, form.operator, form.note, step)


def external_status(form: ExternalForm) -> Move:
    """The status itself goes into the history."""

    async def step(_: WriteUnit, request: CustomerRequest, __: datetime) -> CustomerRequest:
        return transitions.follow(request, EventKind.EXTERNAL)

    note = form.status if form.note is None else f"{form.status}: {form.note}"
    return Move(EventKind.EXTERNAL, form.operator, note[:200], step)


def give_back(form: StepForm) -> Move:
    async def step(_: WriteUnit, request: CustomerRequest, __: datetime) -> CustomerRequest:
        return transitions.follow(request, EventKind.RETURNED)

    return Move(EventKind.RETURNED, form.operator, form.note, step)


def wait(form: StepForm) -> Move:
    """The customer's time begins, by the topic as it is now."""

    async def step(unit: WriteUnit, request: CustomerRequest, at: datetime) -> CustomerRequest:
        setting = await routing.setting_now(unit, request.topic, request.customer_id, request.region)
        topic, calendar = (None, None) if setting is None else (setting.topic, setting.calendar)
        return transitions.waiting(request, at, waiting_due(at, topic, calendar))

    return Move(EventKind.WAITING, form.operator, form.note, step)


def resume(form: StepForm) -> Move:
    async def step(unit: WriteUnit, request: CustomerRequest, at: datetime) -> CustomerRequest:
        setting = await routing.setting_of(unit, request.topic, request.customer_id, request.region)
        return transitions.resumed(request, at, setting.calendar)

    return Move(EventKind.RESUMED, form.operator, form.note, step)


def resume_of(author: str) -> Move:
    """By the customer's own answer."""
    return resume(StepForm(operator=author[:200]))


def rate(form: RatingForm, actor: str) -> Move:
    async def step(_: WriteUnit, request: CustomerRequest, __: datetime) -> CustomerRequest:
        return transitions.rated(request, form.rating)

    return Move(EventKind.RATED, actor, form.note, step)
