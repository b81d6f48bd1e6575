"""What is kept with a request: letters, files; and what arrives by channels that know nothing of requests."""

from __future__ import annotations

from datetime import datetime
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
from app.requests import attachments, correspondence, events, moves, repository, service, transitions
from app.requests.attachments import Attachment, AttachmentForm
from app.requests.channels import Channel
from app.requests.moves import Move
from app.requests.schemas import CustomerRequest, Direction, EventKind, Language, Message, RequestForm

COMPLAINTS = frozenset({Channel.COMPLAINTS_BOOK, Channel.MAP_REVIEW})


class MessageForm(Form):
    direction: Direction
    channel: Channel
    author: Short
    text: Long
    external_id: Opaque | None = None


class SenderForm(Form):
    kind: ContactKind | Literal["other"]
    value: Short


class InboundForm(Form):
    """What a mailbox, messenger, site or map delivers. `external_id`: the channel's own id of the message.

    `request_id` continues a request; otherwise one is registered.
    """

    external_id: Opaque
    sender: SenderForm
    text: Long
    subject: Short | None = None
    topic: Code | None = None
    request_id: UUID | None = None
    language: Language = "ru"


async def write(database: Database, command: Command, id_: UUID, form: MessageForm) -> Committed:
    """A letter in either direction, or a note among colleagues."""

    async def work(unit: WriteUnit) -> Answer:
        message = await add(unit, id_, form)
        return created(f"{service.PATH}/{id_}/messages", None, message)

    return await once(database, command, work)


async def receive(database: Database, command: Command, channel: Channel, form: InboundForm) -> Committed:
    """The request made of what arrived by a channel, or continued by it."""

    async def work(unit: WriteUnit) -> Answer:
        message = await take_in(unit, channel, form, command.principal)
        return created(f"{service.PATH}/{message.request_id}", None, message)

    return await once(database, command, work)


async def take_in(unit: WriteUnit, channel: Channel, form: InboundForm, actor: str) -> Message:
    """The one way in of whatever arrives, by HTTP or by mail."""
    if form.request_id is not None:
        return await add(unit, form.request_id, _letter(channel, form))
    customer = await repository.sole_customer(unit, form.sender.value, form.sender.kind)
    request = await service.enter(unit, _request(channel, form, customer), actor)
    message = _message(request.id, _letter(channel, form))
    await correspondence.add(unit, request, message)
    return message


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


async def add(unit: WriteUnit, id_: UUID, form: MessageForm) -> Message:
    """An answer for which was waited starts the clock again; any answer is told to the one in charge."""

    async def step(unit: WriteUnit, request: CustomerRequest, _: datetime) -> CustomerRequest:
        if form.direction is Direction.IN:
            await notifications.tell(unit, NoticeKind.ANSWERED, request)
        return transitions.follow(request, EventKind.MESSAGE)

    moved = await moves.apply(unit, id_, Move(EventKind.MESSAGE, form.author[:200], None, step))
    if form.direction is Direction.IN and moved.waiting_since is not None:
        moved = await moves.apply(unit, id_, moves.resume_of(form.author))
    message = _message(id_, form)
    await correspondence.add(unit, moved, message)
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


def _message(id_: UUID, form: MessageForm) -> Message:
    return Message(
        new_id(), id_, form.direction, form.channel, form.author, form.text, form.external_id, now()
    )


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
