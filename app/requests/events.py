"""What leaves when something happens to a request. Texts stay behind the API's access rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType
from app.requests import repository
from app.requests.attachments import Attachment
from app.requests.channels import Channel
from app.requests.schemas import CustomerRequest, Direction, Event, EventKind, Message, Status
from app.requests.transitions import TRANSITIONS
from app.topics.schemas import Importance, Priority

ENTITY = "request"


@dataclass(frozen=True, slots=True)
class RequestChanged:
    """The request after the change, without its texts; `actor` and `note` as in its history."""

    id: UUID
    customer_id: UUID | None
    channel: Channel
    topic: str
    status: Status
    queue: str | None
    line: int
    unit: str | None
    assignee: str | None
    priority: Priority
    importance: Importance
    external_id: str | None
    external_system: str | None
    external_reference: str | None
    reaction_due: datetime | None
    solution_due: datetime | None
    waiting_due: datetime | None
    rating: int | None
    follows: UUID | None
    actor: str
    note: str | None


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """`GET /requests/{request_id}/messages` has the text."""

    id: UUID
    request_id: UUID
    channel: Channel
    author: str
    external_id: str | None
    external_system: str | None
    external_reference: str | None


@dataclass(frozen=True, slots=True)
class AttachmentAdded:
    """`GET /attachments/{id}` has the content. `sha256` in hexadecimal, `size` in bytes."""

    id: UUID
    request_id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    actor: str
    external_system: str | None
    external_reference: str | None


# A letter and a file are told by events of their own, with what is new in them.
_OWN_EVENTS = {EventKind.MESSAGE, EventKind.ATTACHED}
CHANGES = {
    kind: EventType(
        f"request.{kind}",
        ENTITY,
        RequestChanged,
        TRANSITIONS[kind].comment if kind in TRANSITIONS else "it arrived",
    )
    for kind in EventKind
    if kind not in _OWN_EVENTS
}
MESSAGES = {
    Direction.IN: EventType("message.received", ENTITY, MessageAdded, "the customer wrote"),
    Direction.OUT: EventType("message.sent", ENTITY, MessageAdded, "we wrote to the customer"),
    Direction.INTERNAL: EventType("message.noted", ENTITY, MessageAdded, "a note among colleagues"),
}
ATTACHMENT = EventType("attachment.added", ENTITY, AttachmentAdded, "a file came with a request")
TYPES: tuple[EventType[Any], ...] = (*CHANGES.values(), *MESSAGES.values(), ATTACHMENT)

_COPIED = tuple(name for name in RequestChanged.__slots__ if name not in ("actor", "note"))


async def record(unit: WriteUnit, request: CustomerRequest, event: Event) -> None:
    """Queued: the step in the history, and out to whoever subscribed."""
    await repository.add_event(unit, request.id, event)
    kind = CHANGES.get(event.kind)
    if kind is None:
        return
    card = {name: getattr(request, name) for name in _COPIED}
    changed = RequestChanged(**card, actor=event.actor, note=event.note)
    await publish(unit, kind, request.id, changed, version=request.version)


async def tell_message(unit: WriteUnit, request: CustomerRequest, message: Message) -> None:
    """Queued."""
    added = MessageAdded(
        message.id,
        request.id,
        message.channel,
        message.author,
        message.external_id,
        request.external_system,
        request.external_reference,
    )
    await publish(unit, MESSAGES[message.direction], request.id, added, version=request.version)


async def tell_attachment(unit: WriteUnit, request: CustomerRequest, file: Attachment) -> None:
    """Queued."""
    added = AttachmentAdded(
        file.id,
        request.id,
        file.name,
        file.media_type,
        file.size,
        file.sha256,
        file.actor,
        request.external_system,
        request.external_reference,
    )
    await publish(unit, ATTACHMENT, request.id, added, version=request.version)
