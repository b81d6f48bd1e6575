"""The SQL of bookings. What excludes a double booking is the constraint `booking_once`."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import TupleRow

from app.bookings.schemas import Availability, Booking, BookingForm, BookingKind, Slot
from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import now

_SLOTS = """
SELECT a.person, a.kind, s.start, s.start + make_interval(mins => a.slot_minutes)
FROM crm.availability a
CROSS JOIN LATERAL generate_series(
    lower(a.during), upper(a.during) - make_interval(mins => a.slot_minutes),
    make_interval(mins => a.slot_minutes)) AS s (start)
"""


def _slot(row: TupleRow) -> Slot:
    person, kind, start, end = row
    return Slot(person, BookingKind(kind), start, end)


FREE = Read(
    f"""{_SLOTS} JOIN crm.person p ON p.code = a.person
    WHERE {READ_GATE} AND a.kind = %(kind)s AND a.during && tstzrange(%(from)s, %(to)s)
      AND s.start >= %(from)s AND s.start < %(to)s
      AND (%(unit)s::text IS NULL OR p.unit = %(unit)s)
      AND NOT crm.is_booked(a.person, tstzrange(s.start, s.start + make_interval(mins => a.slot_minutes)))
    ORDER BY s.start, a.person LIMIT 500""",
    _slot,
)
_SLOT_AT = f"{_SLOTS} WHERE a.person = %(person)s AND a.kind = %(kind)s AND s.start = %(start)s"
_ADD = """
INSERT INTO crm.availability (id, person, kind, during, slot_minutes)
VALUES (%(id)s, %(person)s, %(kind)s, tstzrange(%(start)s, %(end)s), %(slot_minutes)s)
"""
_BOOK = """
INSERT INTO crm.booking (id, person, kind, during, contact, request_id, cancelled, created_at)
VALUES (%(id)s, %(person)s, %(kind)s, tstzrange(%(start)s, %(end)s), %(contact)s, %(request_id)s, false,
        %(created_at)s)
"""
_LOCK = """
SELECT id, person, kind, lower(during), upper(during), contact, request_id, cancelled
FROM crm.booking WHERE id = %(id)s FOR UPDATE
"""
_CANCEL = "UPDATE crm.booking SET cancelled = true WHERE id = %(id)s"


async def add_availability(unit: WriteUnit, availability: Availability) -> None:
    """Queued. Overlapping time breaks `availability_once`."""
    values = {name: getattr(availability, name) for name in Availability.__slots__}
    await unit.queue(_ADD, {**values, "kind": availability.kind.value})


async def slot_at(unit: WriteUnit, form: BookingForm) -> Slot | None:
    """The slot that starts then, free or not. A round trip."""
    parameters = {"person": form.person, "kind": form.kind.value, "start": form.start}
    return await unit.one(_SLOT_AT, parameters, _slot)


async def book(unit: WriteUnit, booking: Booking) -> None:
    """Queued. Taken time breaks `booking_once`."""
    values = {name: getattr(booking, name) for name in Booking.__slots__}
    await unit.queue(_BOOK, {**values, "kind": booking.kind.value, "created_at": now()})


async def lock(unit: WriteUnit, id_: UUID) -> Booking | None:
    """A round trip."""
    return await unit.one(
        _LOCK, {"id": id_}, lambda row: Booking(row[0], row[1], BookingKind(row[2]), *row[3:])
    )


async def cancel(unit: WriteUnit, id_: UUID) -> None:
    """Queued."""
    await unit.queue(_CANCEL, {"id": id_})
