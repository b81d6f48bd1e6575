"""Subscriptions to events, and what became of each delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator

from app.events.catalogue import covers
from app.events.endpoints import TypePattern
from app.events.types import MAX_PATTERNS
from app.fields import Form, Opaque, Short

Url = Annotated[str, StringConstraints(min_length=10, max_length=1000, pattern=r"^[!-~]+$")]


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; can be replayed


class SubscriptionForm(Form):
    """`only`: what `data` of an event must hold, as in `{"external_system": "otrs"}`."""

    url: Url
    title: Short
    types: Annotated[tuple[TypePattern, ...], Field(min_length=1, max_length=MAX_PATTERNS)]
    only: Annotated[dict[Opaque, Opaque], Field(max_length=10, default_factory=dict)]
    active: bool = True

    @field_validator("types")
    @classmethod
    def _mean_something(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [pattern for pattern in types if not covers(pattern)]
        if unknown:
            raise ValueError(f"no event is called {', '.join(unknown)}")
        return types


class ReplayForm(Form):
    """Without `after`: the dead letters. With a cursor of the feed: everything after it, delivered or not."""

    after: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """`failures`: attempts in a row that reached nobody; until `hold_until` nothing is sent."""

    id: UUID
    url: str
    title: str
    types: Sequence[str]
    only: dict[str, str]
    active: bool
    rotated_at: datetime | None
    version: int
    changed_at: datetime
    failures: int
    hold_until: datetime | None


@dataclass(frozen=True, slots=True)
class Subscriptions:
    items: Sequence[Subscription]


@dataclass(frozen=True, slots=True)
class Secret:
    """Give it to the subscriber; `previous` signs too until `previous_until`."""

    secret: str
    previous: str | None
    previous_until: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """`answer`: what the last attempt met, a status or the reason why there was none."""

    position: int
    event_id: UUID
    type: str
    entity: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime
    answer: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Newest first."""

    items: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Replayed:
    deliveries: int
