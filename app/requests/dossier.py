"""What is kept with a request: letters, files; and what arrives by channels that know nothing of requests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import psycopg

from app.customers.schemas import ContactKind
from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.directory.model import Code
from app.errors import Problem, ProblemError
from app.fields import Form, Long, Opaque, Short
from app.http import BASE, created
from app.identity import new_id, now
from app.notifications import repository as notifications
from app.notifications.schemas import NoticeKind
from app.requests import (
    attachments,
    correspondence,
    events,
    moves,
    reopening,
    repository,
    service,
    transitions,
)
from app.requests.attachments import Attachment, AttachmentForm
from app.requests.channels import Channel
from app.requests.moves import Move
from app.requests.schemas import (
    CustomerRequest,
    Direction,
    EventKind,
    Language,
    Message,
    MessageForm,
    RequestForm,
    Status,
)

COMPLAINTS = frozenset({Channel.COMPLAINTS_BOOK, Channel.MAP_REVIEW})


class SenderForm(Form):
    kind: ContactKind | Literal["other"]
    value: Short


class InboundForm(Form):
    """What a mailbox, messenger, site or map delivers. `external_id`: the channel's own id of the message.

    `request_id` continues a request, or the one that goes on for it; otherwise one is registered.
    """

    external_id: Opaque
    sender: SenderForm
    text: Long
    subject: Short | None = None
    topic: Code | None = None
    request_id: UUID | None = None
    language: Language = "ru"


async def write(
    database: Database, command: Command, id_: UUID, form: MessageForm, within: timedelta
) -> Committed:
    """A letter in either direction, or a note among colleagues. `within`: see `hear`."""

    async def work(unit: WriteUnit) -> Answer:
        heard = form.direction is Direction.IN
        message = await (hear(unit, id_, form, within) if heard else add(unit, id_, form))
        return created(f"{service.PATH}/{message.request_id}/messages", None, message)

    return await once(database, command, work)


async def receive(
    database: Database, command: Command, channel: Channel, form: InboundForm, within: timedelta
) -> Committed:
    """The request made of what arrived by a channel, or continued by it."""

    async def work(unit: WriteUnit) -> Answer:
        message = await take_in(unit, channel, form, within, command.principal)
        return created(f"{service.PATH}/{message.request_id}", None, message)

    return await once(database, command, work)


async def take_in(
    unit: WriteUnit, channel: Channel, form: InboundForm, within: timedelta, actor: str
) -> Message:
    """The one way in of whatever arrives, by HTTP or by mail."""
    if form.request_id is not None:
        return await hear(unit, form.request_id, _letter(channel, form), within)
    customer = await repository.sole_customer(unit, form.sender.value, form.sender.kind)
    request = await service.enter(unit, _request(channel, form, customer), actor)
    return await _kept(unit, request, _letter(channel, form))


async def attach(database: Database, command: Command, id_: UUID, form: AttachmentForm) -> Committed:
    content = attachments.content_of(form)

    async def work(unit: WriteUnit) -> Answer:
        kept = await keep(unit, id_, form.name, form.media_type, content, actor=command.principal)
        return created(f"{BASE}/attachments/{kept.id}", None, kept)

    return await once(database, command, work)


async def keep(
    unit: WriteUnit, id_: UUID, name: str, media_type: str, content: bytes, *, actor: str
) -> Attachment:
    """A file whose content was checked becomes part of the request."""
    file = Attachment(
        new_id(), id_, name, media_type, len(content), attachments.digest(content), actor, now()
    )

    async def step(_: WriteUnit, request: CustomerRequest, __: datetime) -> CustomerRequest:
        return transitions.follow(request, EventKind.ATTACHED)

    request = await moves.apply(unit, id_, Move(EventKind.ATTACHED, actor, name, step))
    await attachments.insert(unit, file, content)
    await events.tell_attachment(unit, request, file)
    return file


async def hear(unit: WriteUnit, id_: UUID, form: MessageForm, within: timedelta) -> Message:
    """A message of the customer's, kept with a request that somebody has to answer from now on.

    It reopens a request that was closed within that time; for an older one another goes on (reopening.py).
    """
    request = await reopening.last_of(unit, id_)
    if request.status is Status.CLOSED:
        request = await reopening.go_on(unit, request, form, within)
    else:
        request = await _answered(unit, request, form.author)
    return await _kept(unit, request, form)


async def add(unit: WriteUnit, id_: UUID, form: MessageForm) -> Message:
    """A letter to the customer, or a note among colleagues: it changes no state."""

    async def step(_: WriteUnit, request: CustomerRequest, __: datetime) -> CustomerRequest:
        return transitions.follow(request, EventKind.MESSAGE)

    moved = await moves.apply(unit, id_, Move(EventKind.MESSAGE, form.author[:200], None, step))
    return await _kept(unit, moved, form)


async def _answered(unit: WriteUnit, request: CustomerRequest, author: str) -> CustomerRequest:
    """An answer for which was waited starts the clock again; any answer is told to the one in charge."""

    async def step(unit: WriteUnit, request: CustomerRequest, _: datetime) -> CustomerRequest:
        await notifications.tell(unit, NoticeKind.ANSWERED, request)
        return transitions.follow(request, EventKind.MESSAGE)

    moved = await moves.on(unit, request, Move(EventKind.MESSAGE, author[:200], None, step))
    if moved.waiting_since is None:
        return moved
    return await moves.on(unit, moved, moves.resume_of(author))


async def _kept(unit: WriteUnit, request: CustomerRequest, form: MessageForm) -> Message:
    message = Message(
        new_id(), request.id, form.direction, form.channel, form.author, form.text, form.external_id, now()
    )
    await correspondence.add(unit, request, message)
    return message


async def once(database: Database, command: Command, work: moves.Work) -> Committed:
    """What the channel delivered before, or the request has already, is a problem of its own."""
    try:
        return await database.write(command, work)
    except psycopg.errors.UniqueViolation as error:
        known = {
            "request_message_external_key": "the channel delivered this message before",
            "attachment_content_key": "the request has this file already",
        }
        detail = known.get(error.diag.constraint_name or "")
        if detail is None:
            raise
        raise ProblemError(Problem.ALREADY_EXISTS, detail) from error


def _letter(channel: Channel, form: InboundForm) -> MessageForm:
    return MessageForm(
        direction=Direction.IN,
        channel=channel,
        author=form.sender.value,
        text=form.text,
        external_id=form.external_id,
    )


def _request(channel: Channel, form: InboundForm, customer_id: UUID | None) -> RequestForm:
    first_line = form.text.strip().splitlines()[0][:200]
    return RequestForm(
        customer_id=customer_id,
        channel=channel,
        topic=form.topic or ("complaints" if channel in COMPLAINTS else "general"),
        subject=form.subject or service.as_subject(first_line),
        text=form.text,
        language=form.language,
        sender=form.sender.value[:200],
    )
