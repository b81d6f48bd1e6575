"""A customer writes to a closed request (R1, R5): it is opened again, or another one goes on for it.

All of it happens under the lock that closing takes too, so whichever of them comes second sees the other; and
in the transaction that keeps the message, so one that the channel delivers again changes nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from app.database.units import WriteUnit
from app.identity import new_id, now
from app.notifications import repository as notifications
from app.notifications.schemas import NoticeKind
from app.requests import correspondence, moves, repository, service, transitions
from app.requests.correspondence import SYSTEM
from app.requests.moves import Move
from app.requests.schemas import (
    CustomerRequest,
    Direction,
    EventKind,
    Message,
    MessageForm,
    RequestForm,
    Status,
)
from app.routing import repository as people
from app.routing import service as routing
from app.routing.engine import Decision
from app.routing.repository import Setting

ANY_MATTER = "general"  # the topic of what names none that the directory has


async def last_of(unit: WriteUnit, id_: UUID) -> CustomerRequest:
    """The request, or the last of those that go on for it; locked. Raises ProblemError: not-found.

    Each follows an older one, so locks are taken in one order; and who waited for one sees what follows it.
    """
    last = await moves.locked(unit, id_)
    while last.status is Status.CLOSED:
        later = await repository.lock_following(unit, last.id)
        if later is None:
            break
        last = later
    return last


async def go_on(
    unit: WriteUnit, closed: CustomerRequest, form: MessageForm, within: timedelta
) -> CustomerRequest:
    """The closed request, opened again by this message of the customer's; else a new one that follows it.

    `within`: how long after its closing it may be reopened. One whose topic the directory never had is not:
    there is no norm by which its clock could begin anew.
    """
    setting = await routing.setting_now(unit, closed.topic, closed.customer_id, closed.region)
    if setting is not None and transitions.may_reopen(closed, now(), within):
        return await moves.on(unit, closed, _reopen(form.author, setting))
    topic = ANY_MATTER if setting is None else closed.topic
    return await service.enter(unit, _next(closed, form, topic), form.author[:200], follows=closed.id)


def _reopen(author: str, setting: Setting) -> Move:
    async def step(unit: WriteUnit, request: CustomerRequest, at: datetime) -> CustomerRequest:
        decision = await _decision(unit, request, setting)
        due = service.due_from(at, setting, decision.priority if decision else request.priority)
        moved = transitions.reopened(request, at, due, setting.topic_version, decision)
        await repository.not_yet_late(unit, request.id)
        if decision is not None:
            await repository.routed(unit, request.id, decision)
        await notifications.tell(unit, NoticeKind.ASSIGNED, moved)
        await correspondence.add(unit, moved, _closing(request, at))
        return moved

    return Move(EventKind.REOPENED, author[:200], None, step)


async def _decision(unit: WriteUnit, request: CustomerRequest, setting: Setting) -> Decision | None:
    """None while whose it was is at work: who knows the matter goes on with it. Else as for a new one."""
    if request.assignee is not None and await people.people(unit, (), request.assignee):
        return None
    return await routing.assign(
        unit, setting, request.channel, line=request.line, priority=request.priority, least_line=request.line
    )


def _closing(request: CustomerRequest, at: datetime) -> Message:
    """What the request no longer says of itself, for who takes it up again."""
    rating = "" if request.rating is None else f"\nОценка клиента: {request.rating}"
    text = f"Открыто снова. Прежнее решение:\n{request.resolution}{rating}"
    return Message(new_id(), request.id, Direction.INTERNAL, request.channel, SYSTEM, text, None, at)


def _next(closed: CustomerRequest, form: MessageForm, topic: str) -> RequestForm:
    """Of the same matter. By the channel of the closed one, its sender is answered; else who wrote now."""
    known = closed.sender if form.channel is closed.channel else None
    return RequestForm(
        customer_id=closed.customer_id,
        channel=form.channel,
        topic=topic,
        subject=closed.subject,
        text=form.text,
        priority=closed.priority,
        region=closed.region,
        language=closed.language,
        sender=known or form.author[:200],
    )
