"""Free time of people, and who has booked it (R13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.directory.model import Code
from app.fields import Form, Moment, Short

LONGEST = timedelta(days=1)


class BookingKind(StrEnum):
    CALLBACK = "callback"
    INTERVIEW = "interview"


class AvailabilityForm(Form):
    """From when to when a person takes bookings, in slots of so many minutes."""

    person: Code
    kind: BookingKind
    start: Moment
    end: Moment
    slot_minutes: Annotated[int, Field(ge=5, le=480)] = 30

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not timedelta(minutes=self.slot_minutes) <= self.end - self.start <= LONGEST:
            raise ValueError("the time must hold at least one slot and at most a day")
        return self


class BookingForm(Form):
    """`start` is that of a free slot; `contact` whom to call or meet."""

    person: Code
    kind: BookingKind
    start: Moment
    contact: Short
    request_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    id: UUID
    person: str
    kind: BookingKind
    start: datetime
    end: datetime
    slot_minutes: int


@dataclass(frozen=True, slots=True)
class Slot:
    person: str
    kind: BookingKind
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Slots:
    items: Sequence[Slot]


@dataclass(frozen=True, slots=True)
class Booking:
    id: UUID
    person: str
    kind: BookingKind
    start: datetime
    end: datetime
    contact: str
    request_id: UUID | None
    cancelled: bool
