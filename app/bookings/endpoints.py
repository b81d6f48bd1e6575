"""/api/v1/availability, /api/v1/slots, /api/v1/bookings."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

import psycopg
from fastapi import APIRouter, Query, Response

from app.bookings import events, repository
from app.bookings.schemas import Availability, AvailabilityForm, Booking, BookingForm, BookingKind, Slots
from app.database.answer import Answer
from app.database.units import WriteUnit
from app.directory.model import Code
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid, not_found
from app.fields import Moment
from app.http import (
    BASE,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    created,
    run,
    shown,
)
from app.identity import new_id
from app.problems import problems

router = APIRouter(tags=["bookings"], route_class=StrictRoute)
TAKING = problems(*WRITE_PROBLEMS, Problem.ALREADY_EXISTS)


@router.post("/availability", status_code=201, response_model=Availability, responses=TAKING)
async def add_availability(form: AvailabilityForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """A person takes bookings then."""
    availability = Availability(new_id(), form.person, form.kind, form.start, form.end, form.slot_minutes)

    async def work(unit: WriteUnit) -> Answer:
        await repository.add_availability(unit, availability)
        await events.tell_offered(unit, availability)
        return created(f"{BASE}/slots?kind={form.kind}", None, availability)

    try:
        return await run(database, command, work)
    except psycopg.IntegrityError as error:
        raise _explain(error) from error


@router.get("/slots", response_model=Slots, responses=problems(*READ_PROBLEMS))
async def free_slots(
    kind: Annotated[BookingKind, Query()],
    since: Annotated[Moment, Query()],
    until: Annotated[Moment, Query()],
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    unit: Annotated[Code | None, Query()] = None,
) -> Response:
    """Up to 500 free slots that start then, earliest first."""
    parameters = {"kind": kind.value, "from": since, "to": max(since, until), "unit": unit}
    found = await database.read(repository.FREE, parameters, freshness)
    return shown(Slots(found.rows), found)


@router.post("/bookings", status_code=201, response_model=Booking, responses=TAKING)
async def book_slot(form: BookingForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Book a free slot. Of two at once one gets it."""

    async def work(unit: WriteUnit) -> Answer:
        slot = await repository.slot_at(unit, form)
        if slot is None:
            raise invalid([FieldError("/start", "no-slot", "no slot of this person starts then")])
        booking = Booking(
            new_id(), slot.person, slot.kind, slot.start, slot.end, form.contact, form.request_id, False
        )
        await repository.book(unit, booking)
        await events.tell(unit, events.BOOKED, booking)
        return created(f"{BASE}/bookings/{booking.id}", None, booking)

    try:
        return await run(database, command, work)
    except psycopg.IntegrityError as error:
        raise _explain(error) from error


@router.post(
    "/bookings/{booking_id}/cancel",
    response_model=Booking,
    responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND),
)
async def cancel_booking(booking_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """Free the slot again; cancelling twice changes nothing."""

    async def work(unit: WriteUnit) -> Answer:
        booking = await repository.lock(unit, booking_id)
        if booking is None:
            raise not_found("booking")
        if not booking.cancelled:
            await repository.cancel(unit, booking_id)
            await events.tell(unit, events.CANCELLED, booking)
            booking = replace(booking, cancelled=True)
        return Answer(200, encode(booking))

    return await run(database, command, work)


def _explain(error: psycopg.IntegrityError) -> Exception:
    name = error.diag.constraint_name or ""
    if isinstance(error, psycopg.errors.ExclusionViolation):
        return ProblemError(Problem.ALREADY_EXISTS, "this time is taken")
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        field = "request_id" if name == "booking_request_id_fkey" else "person"
        return invalid([FieldError(f"/{field}", "unknown", "there is none with this id")])
    return error
