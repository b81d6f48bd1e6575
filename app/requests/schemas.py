"""Requests of customers: forms, states and history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.directory.model import Code
from app.fields import Form, Long, Opaque, Short
from app.requests.channels import Channel
from app.routing.engine import Consideration
from app.topics.schemas import Importance, Priority


class Status(StrEnum):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    HANDED_OVER = "handed_over"
    CLOSED = "closed"


class EventKind(StrEnum):
    REGISTERED = "registered"
    TAKEN = "taken"
    ASSIGNED = "assigned"
    ESCALATED = "escalated"
    HANDED_OVER = "handed_over"
    EXTERNAL = "external"
    RETURNED = "returned"
    WAITING = "waiting"
    RESUMED = "resumed"
    MESSAGE = "message"
    ATTACHED = "attached"
    CLOSED = "closed"
    REOPENED = "reopened"
    RATED = "rated"


Language = Literal["ru", "en", "kk"]


class RequestForm(Form):
    """`priority` and `region` are given when they differ from the topic's and the customer's own."""

    customer_id: UUID | None = None
    channel: Channel
    topic: Short
    subject: Short
    text: Long
    external_id: Opaque | None = None
    priority: Priority | None = None
    region: Code | None = None
    language: Language = "ru"
    sender: Opaque | None = None


class TakeForm(Form):
    operator: Short
    note: Opaque | None = None


class CloseForm(Form):
    operator: Short
    resolution: Long
    note: Opaque | None = None


class StepForm(Form):
    operator: Short
    note: Opaque | None = None


class AssignForm(StepForm):
    """`operator` is the head who redistributes."""

    assignee: Code


class HandOverForm(StepForm):
    """To another team's or an external system, under its own number there."""

    system: Code
    reference: Opaque


class ExternalForm(StepForm):
    """A status of the external system, in its own words."""

    status: Short


class RatingForm(Form):
    rating: Annotated[int, Field(ge=1, le=5)]
    note: Opaque | None = None


@dataclass(frozen=True, slots=True)
class CustomerRequest:
    """A request as it is now. The deadlines move when the customer is waited for, until `waiting_due`.

    `reopened_at`: from when its clock runs, if it was closed before. `follows`: a request that was closed too
    long ago to be reopened, for which this one goes on.
    """

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
    topic_version: int | None
    queue: str | None
    line: int
    unit: str | None
    priority: Priority
    importance: Importance
    region: str | None
    language: Language
    sender: str | None
    reaction_due: datetime | None
    solution_due: datetime | None
    waiting_since: datetime | None
    waiting_due: datetime | None
    external_system: str | None
    external_reference: str | None
    rating: int | None
    reopened_at: datetime | None
    follows: UUID | None

    @property
    def audit_subject(self) -> str:
        return f"requests/{self.id}"


@dataclass(frozen=True, slots=True)
class Event:
    """What made version `version` of a request."""

    version: int
    kind: EventKind
    at: datetime
    actor: str
    note: str | None


@dataclass(frozen=True, slots=True)
class RequestWithHistory(CustomerRequest):
    """A request and everything that happened to it, oldest first."""

    history: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Assignment:
    """The last assignment of a request and the engine's reasons."""

    unit: str | None
    assignee: str | None
    rule: str | None
    considered: Sequence[Consideration]


class Direction(StrEnum):
    IN = "in"
    OUT = "out"
    INTERNAL = "internal"


class MessageForm(Form):
    direction: Direction
    channel: Channel
    author: Short
    text: Long
    external_id: Opaque | None = None


@dataclass(frozen=True, slots=True)
class Message:
    id: UUID
    request_id: UUID
    direction: Direction
    channel: Channel
    author: str
    text: str
    external_id: str | None
    created_at: datetime
