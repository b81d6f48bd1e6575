"""What leaves when time is offered, booked and freed again. Whom to call or meet stays behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.bookings.schemas import Availability, Booking, BookingKind
from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType

ENTITY = "booking"


@dataclass(frozen=True, slots=True)
class BookingChanged:
    """The booked time of a person; the contact is not told."""

    id: UUID
    person: str
    kind: BookingKind
    start: datetime
    end: datetime
    request_id: UUID | None


OFFERED = EventType("availability.added", "availability", Availability, "a person takes bookings then")
BOOKED = EventType("booking.made", ENTITY, BookingChanged, "a slot is taken")
CANCELLED = EventType("booking.cancelled", ENTITY, BookingChanged, "a slot is free again")
TYPES: tuple[EventType[Any], ...] = (OFFERED, BOOKED, CANCELLED)


async def tell_offered(unit: WriteUnit, availability: Availability) -> None:
    """Queued; the availability is new."""
    await publish(unit, OFFERED, availability.id, availability)


async def tell(unit: WriteUnit, kind: EventType[BookingChanged], booking: Booking) -> None:
    """Queued; the booking is new or locked."""
    values = {name: getattr(booking, name) for name in BookingChanged.__slots__}
    await publish(unit, kind, booking.id, BookingChanged(**values))
