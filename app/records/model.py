"""What is agreed with a customer, one mechanism for all of it: a versioned row with history and events.

A noun (deal, contract, order, claim, …) is a table whose columns are the fields of its shape. Whatever may be
done with it is a pure function from one record to the next; the mechanism locks, checks versions, stores,
writes the history and tells the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PrivateAttr

from app.events.types import EventType


class Record(BaseModel):
    """What every record has. Subclasses add the columns of their table."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    customer_id: UUID
    version: int
    created_at: datetime
    changed_at: datetime

    _within: bool = PrivateAttr(default=True)

    @property
    def within(self) -> bool:
        """Whether the reader reaches it by its customer; known of nouns that say `in_part`."""
        return self._within

    def seen(self, *, within: bool) -> Self:
        self._within = within
        return self

    @property
    def state(self) -> str:
        """Where it stands, in the noun's own word; goes out with its events."""
        raise NotImplementedError


R = TypeVar("R", bound=Record)


class Filter(BaseModel):
    """By what a list may be narrowed: fields are named as columns, `None` is not asked for."""

    model_config = ConfigDict(frozen=True)

    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RecordChanged:
    """What leaves; the record itself stays behind the API's access rules (`GET /<noun>s/{id}`)."""

    id: UUID
    customer_id: UUID
    state: str
    actor: str
    note: str | None


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """One step of a record's history."""

    version: int
    kind: str
    at: datetime
    actor: str
    note: str | None


@dataclass(frozen=True, slots=True)
class History:
    """`next` is the address of the next page, null on the last."""

    items: Sequence[RecordEvent]
    next: str | None


@dataclass(frozen=True, eq=False, slots=True)
class Noun(Generic[R]):
    """`name` stands in addresses, `word` in problems and events, `resource` in the table of rules.

    `kinds` are the steps of its life, each with what it means to a subscriber. `in_part`: who reaches one by
    itself, and not by its customer, may be shown a part of it only (app/access/masking.py).
    """

    name: str
    word: str
    resource: str
    table: str
    shape: type[R]
    filter: type[Filter]
    kinds: Mapping[str, str] = field(repr=False)
    in_part: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.shape.model_fields)

    def event(self, kind: str) -> EventType[RecordChanged]:
        return EventType(f"{self.word}.{kind}", self.word, RecordChanged, self.kinds[kind])

    @property
    def events(self) -> tuple[EventType[RecordChanged], ...]:
        return tuple(self.event(kind) for kind in self.kinds)
