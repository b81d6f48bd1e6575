"""Requests of customers: forms, states and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.fields import Form, Long, Opaque, Short
from app.requests.channels import Channel


class Status(StrEnum):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"


class EventKind(StrEnum):
    REGISTERED = "registered"
    TAKEN = "taken"
    CLOSED = "closed"


class RequestForm(Form):
    customer_id: UUID | None = None
    channel: Channel
    topic: Short
    subject: Short
    text: Long
    external_id: Opaque | None = None


class TakeForm(Form):
    operator: Short
    note: Opaque | None = None


class CloseForm(Form):
    operator: Short
    resolution: Long
    note: Opaque | None = None


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """A request as it is now."""

    id: UUID
    customer_id: UUID | None
    channel: Channel
    topic: str
    subject: str
    text: str
    status: Status
    assignee: str | None
    resolution: str | None
    external_id: str | None
    version: int
    created_at: datetime
    taken_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Event:
    """What made version `version` of a request."""

    version: int
    kind: EventKind
    at: datetime
    actor: str
    note: str | None


@dataclass(frozen=True, slots=True)
class RequestWithHistory:
    """A request and everything that happened to it, oldest first."""

    id: UUID
    customer_id: UUID | None
    channel: Channel
    topic: str
    subject: str
    text: str
    status: Status
    assignee: str | None
    resolution: str | None
    external_id: str | None
    version: int
    created_at: datetime
    taken_at: datetime | None
    closed_at: datetime | None
    history: Sequence[Event]
