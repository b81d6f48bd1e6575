"""What can be done with requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from app import cleansing, pagination
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, not_found
from app.http import BASE, created, etag
from app.identity import new_id, now
from app.pagination import Page
from app.requests import repository, transitions
from app.requests.schemas import (
    CloseForm,
    CustomerRequest,
    Event,
    EventKind,
    RequestForm,
    RequestWithHistory,
    Status,
    TakeForm,
)

PATH = f"{BASE}/requests"


async def register(database: Database, command: Command, form: RequestForm) -> Committed:
    request = _new(form)
    event = Event(request.version, EventKind.REGISTERED, request.created_at, command.principal, None)

    async def work(unit: WriteUnit) -> Answer:
        await repository.insert(unit, request)
        await repository.add_event(unit, request.id, event)
        return created(f"{PATH}/{request.id}", request.version, request)

    try:
        return await database.write(command, work)
    except psycopg.errors.ForeignKeyViolation as error:
        if error.diag.constraint_name != repository.CUSTOMER_CONSTRAINT:
            raise
        wrong = FieldError("/customer_id", "unknown-customer", "no customer with this id")
        raise ProblemError(Problem.UNKNOWN_CUSTOMER, wrong.detail, errors=[wrong]) from error


async def take(database: Database, command: Command, id_: UUID, form: TakeForm) -> Committed:
    def step(request: CustomerRequest, at: datetime) -> CustomerRequest:
        return transitions.taken(request, form.operator, at)

    return await _move(database, command, id_, _Move(EventKind.TAKEN, form.operator, form.note, step))


async def close(database: Database, command: Command, id_: UUID, form: CloseForm) -> Committed:
    def step(request: CustomerRequest, at: datetime) -> CustomerRequest:
        return transitions.closed(request, form.resolution, at)

    return await _move(database, command, id_, _Move(EventKind.CLOSED, form.operator, form.note, step))


@dataclass(frozen=True, slots=True)
class _Move:
    """One step of a request, and what the history says about it."""

    kind: EventKind
    operator: str
    note: str | None
    step: Callable[[CustomerRequest, datetime], CustomerRequest]


async def _move(database: Database, command: Command, id_: UUID, move: _Move) -> Committed:
    async def work(unit: WriteUnit) -> Answer:
        request = await repository.lock(unit, id_)
        if request is None:
            raise not_found("request")
        moment = now()
        moved = move.step(request, moment)
        await repository.update(unit, moved)
        await repository.add_event(
            unit, id_, Event(moved.version, move.kind, moment, move.operator, move.note)
        )
        return Answer(200, encode(moved), {"ETag": etag(moved.version)})

    return await database.write(command, work)


def _new(form: RequestForm) -> CustomerRequest:
    return CustomerRequest(
        id=new_id(),
        customer_id=form.customer_id,
        channel=form.channel,
        topic=form.topic,
        subject=cleansing.line(form.subject) or form.subject,
        text=form.text,
        status=Status.NEW,
        assignee=None,
        resolution=None,
        external_id=form.external_id,
        version=1,
        created_at=now(),
        taken_at=None,
        closed_at=None,
    )


async def get(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[RequestWithHistory, Found[RequestWithHistory]]:
    found = await database.read(repository.WITH_HISTORY, {"id": id_}, freshness)
    if found.first is None:
        raise not_found("request")
    return found.first, found


async def page(
    database: Database, freshness: Freshness, filters: dict[str, str], *, limit: int, cursor: str | None
) -> tuple[Page[CustomerRequest], Found[CustomerRequest]]:
    """`filters`: by the names in repository.FILTERS."""
    parameters = {**filters, "below": pagination.decode_cursor(cursor), "rows": limit + 1}
    found = await database.read(repository.page(frozenset(filters)), parameters, freshness)
    return pagination.page(found.rows, limit, PATH, {"limit": str(limit), **filters}), found
