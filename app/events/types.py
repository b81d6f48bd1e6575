"""What an event is. Each slice declares its own types; `app.events.catalogue` collects them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

P = TypeVar("P")

MAX_PATTERNS = 200  # that one reader may name: room for all types that there are


@dataclass(frozen=True, slots=True)
class EventType(Generic[P]):
    """`name` is `<entity>.<what happened>`; `payload` the dataclass that `data` is made of."""

    name: str
    entity: str
    payload: type[P]
    summary: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it leaves, by webhook and by feed alike.

    `entity` names what it happened to (`request:<id>`); the events of one entity are in order. `version` is
    that of the entity after the change, where it has one.
    """

    id: UUID
    type: str
    timestamp: datetime
    entity: str
    version: int | None
    data: dict[str, Any]  # fits the type's payload; checked by a test, not again when read
