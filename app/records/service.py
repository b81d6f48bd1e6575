"""What can be done with any record: make it, move it on, read it. The noun's own rules come as functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg

from app import pagination
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid, not_found
from app.events.outbox import publish
from app.http import BASE, created, etag
from app.identity import new_id, now
from app.pagination import Page
from app.records import repository
from app.records.model import Filter, History, Noun, R, RecordChanged, RecordEvent
from app.security import shown_now

Making = Callable[[WriteUnit], Awaitable[R]]
Change = Callable[[WriteUnit, R], Awaitable[R]]
Then = Callable[[WriteUnit, R], Awaitable[None]]

DIGITS = 9  # of a version, at most: any such number is an integer of PostgreSQL


def address(noun: Noun[Any], id_: UUID) -> str:
    return f"{BASE}/{noun.name}/{id_}"


def fresh(customer_id: UUID) -> dict[str, Any]:
    """The fields that every new record begins with."""
    moment = now()
    return {
        "id": new_id(),
        "customer_id": customer_id,
        "version": 1,
        "created_at": moment,
        "changed_at": moment,
    }


async def create(
    database: Database,
    command: Command,
    noun: Noun[R],
    kind: str,
    make: Making[R],
    *,
    then: Then[R] | None = None,
) -> Committed:
    """`then`: what else follows from the new record.

    Raises ProblemError: unknown-customer, already-exists, validation.
    """

    async def work(unit: WriteUnit) -> Answer:
        record = await enter(unit, noun, await make(unit), kind, actor=command.principal)
        if then is not None:
            await then(unit, record)
        return created(address(noun, record.id), record.version, record)

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise explain(error, noun) from error


async def enter(
    unit: WriteUnit, noun: Noun[R], record: R, kind: str, *, actor: str, note: str | None = None
) -> R:
    """A new record, within a transaction that does more besides."""
    if not await repository.insert(unit, noun, record):
        wrong = FieldError("/customer_id", "unknown-customer", "no customer with this id")
        raise ProblemError(Problem.UNKNOWN_CUSTOMER, wrong.detail, errors=[wrong])
    await tell(unit, noun, record, kind, actor=actor, note=note)
    return record


async def change(
    database: Database,
    command: Command,
    noun: Noun[R],
    id_: UUID,
    change: Change[R],
    *,
    kind: str,
    expected: str | None = None,
    note: str | None = None,
) -> Committed:
    """Raises ProblemError: not-found, version-mismatch, and what the change itself raises."""

    async def work(unit: WriteUnit) -> Answer:
        record = await repository.lock(unit, noun, id_)
        if record is None:
            raise not_found(noun.word)
        if expected not in (None, "*", etag(record.version)):
            raise ProblemError(Problem.VERSION_MISMATCH, f"the present version is {etag(record.version)}")
        changed = await move(unit, noun, await change(unit, record), kind, actor=command.principal, note=note)
        return Answer(200, encode(shown_now(changed)), {"ETag": etag(changed.version)})

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise explain(error, noun) from error


async def move(
    unit: WriteUnit, noun: Noun[R], record: R, kind: str, *, actor: str, note: str | None = None
) -> R:
    """The next version of a locked record, within a transaction that may do more besides."""
    changed = record.model_copy(update={"version": record.version + 1, "changed_at": now()})
    await repository.update(unit, noun, changed)
    await tell(unit, noun, changed, kind, actor=actor, note=note)
    return changed


async def tell(unit: WriteUnit, noun: Noun[R], record: R, kind: str, *, actor: str, note: str | None) -> None:
    """Queued: the step in the history, and out to whoever subscribed."""
    await repository.add_event(unit, noun, record, kind, actor=actor, note=note)
    data = RecordChanged(record.id, record.customer_id, record.state, actor, note)
    await publish(unit, noun.event(kind), record.id, data, version=record.version)


def explain(error: psycopg.IntegrityError, noun: Noun[Any]) -> Exception:
    """The database's refusal in terms of the form, by its constraint: `<table>_<column>_fkey` or `_key`."""
    name = (error.diag.constraint_name or "").removeprefix(noun.table.removeprefix("crm.") + "_")
    if isinstance(error, psycopg.errors.UniqueViolation) and name.endswith("_key"):
        field = name.removesuffix("_key")
        wrong = FieldError(f"/{field}", "already-exists", "there is one with this value already")
        return ProblemError(Problem.ALREADY_EXISTS, wrong.detail, errors=[wrong])
    if isinstance(error, psycopg.errors.ForeignKeyViolation) and name.endswith("_fkey"):
        field = name.removesuffix("_fkey")
        return invalid([FieldError(f"/{field}", "unknown-code", "no active or former entry has this code")])
    return error


async def get(database: Database, noun: Noun[R], id_: UUID, freshness: Freshness) -> tuple[R, Found[R]]:
    found = await database.read(repository.one(noun), {"id": id_}, freshness)
    return found.one(noun.word), found


async def page(
    database: Database, noun: Noun[R], freshness: Freshness, wanted: Filter, *, limit: int, cursor: str | None
) -> tuple[Page[R], Found[R]]:
    filters = wanted.model_dump(mode="json", exclude_none=True)
    return await pagination.read(
        database,
        freshness,
        repository.page(noun, frozenset(filters)),
        filters,
        path=f"{BASE}/{noun.name}",
        query={name: str(value) for name, value in filters.items()},
        limit=limit,
        cursor=cursor,
    )


async def history(
    database: Database, noun: Noun[R], id_: UUID, freshness: Freshness, *, limit: int, cursor: str | None
) -> tuple[History, Found[RecordEvent]]:
    """Oldest first, by version. Raises ProblemError: not-found, cursor-invalid."""
    window = {"after": _version_of(cursor), "rows": limit + 1}
    parameters = {"id": id_, "noun": noun.resource, **window}
    found = await database.read(repository.HISTORY, parameters, freshness)
    if cursor is None:
        found.one(noun.word)
    path, query = f"{address(noun, id_)}/history", {"limit": str(limit)}
    made = pagination.keyed_page(found.rows, limit, path, query, lambda step: [str(step.version)])
    return History(made.items, made.next), found


def _version_of(cursor: str | None) -> int:
    """The version after which the page begins."""
    if cursor is None:
        return 0
    (version,) = pagination.decode_key(cursor, 1)
    if not (version.isascii() and version.isdigit() and len(version) <= DIGITS):
        raise pagination.cursor_invalid()
    return int(version)
