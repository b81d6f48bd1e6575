"""What can be done with an entry of any directory: enter, replace, read it and its versions."""

from __future__ import annotations

from urllib.parse import urlencode

import psycopg

from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.directory import events, repository
from app.directory.model import Directory, E, Kept, Listing
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid, not_found
from app.http import BASE, created, etag
from app.identity import now


def address(directory: Directory[E], code: str) -> str:
    return f"{BASE}/{directory.name}/{code}"


async def enter(database: Database, command: Command, directory: Directory[E], form: E) -> Committed:
    """Raises ProblemError: already-exists, validation."""
    kept = Kept[E](version=1, changed_at=now(), changed_by=command.principal, content=form)

    async def work(unit: WriteUnit) -> Answer:
        await repository.insert(unit, directory, kept)
        await events.tell(unit, directory.name, form.code, 1, command.principal)
        return created(address(directory, form.code), 1, kept.model_dump(mode="json"))

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise explain(error, directory, form.code) from error


async def replace(
    database: Database, command: Command, directory: Directory[E], code: str, *, expected: str, form: E
) -> Committed:
    """Raises ProblemError: not-found, version-mismatch, validation."""
    if form.code != code:
        raise invalid([FieldError("/code", "code-changed", "the code of an entry never changes")])

    async def work(unit: WriteUnit) -> Answer:
        present = await repository.lock(unit, directory, code)
        if present is None:
            raise not_found("entry")
        if expected not in ("*", etag(present)):
            raise ProblemError(Problem.VERSION_MISMATCH, f"the present version is {etag(present)}")
        kept = Kept[E](version=present + 1, changed_at=now(), changed_by=command.principal, content=form)
        await repository.replace(unit, directory, kept)
        await events.tell(unit, directory.name, code, kept.version, command.principal)
        return Answer(200, encode(kept.model_dump(mode="json")), {"ETag": etag(kept.version)})

    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise explain(error, directory, code) from error


def explain(error: psycopg.IntegrityError, directory: Directory[E], code: str) -> Exception:
    """The database's refusal in terms of the form; constraint names follow `<table>_<column>_fkey`.

    The table may have had another name then.
    """
    name = error.diag.constraint_name or ""
    if isinstance(error, psycopg.errors.UniqueViolation):
        return ProblemError(
            Problem.ALREADY_EXISTS, "an entry has this code already", existing=address(directory, code)
        )
    named = [column for column in directory.columns if name.endswith(f"_{column}_fkey")]
    if isinstance(error, psycopg.errors.ForeignKeyViolation) and named:
        column = max(named, key=len)
        return invalid([FieldError(f"/{column}", "unknown-code", "no active or former entry has this code")])
    return error


async def get(
    database: Database, directory: Directory[E], code: str, freshness: Freshness
) -> tuple[Kept[E], Found[Kept[E]]]:
    found = await database.read(repository.one(directory), {"code": code}, freshness)
    return found.one("entry"), found


async def page(
    database: Database, directory: Directory[E], freshness: Freshness, *, limit: int, after: str
) -> tuple[Listing[E], Found[Kept[E]]]:
    found = await database.read(repository.page(directory), {"after": after, "rows": limit + 1}, freshness)
    items = list(found.rows[:limit])
    query = urlencode({"limit": limit, "after": items[-1].content.code}) if len(found.rows) > limit else None
    return Listing(items=items, next=query and f"{BASE}/{directory.name}?{query}"), found


async def versions(
    database: Database, directory: Directory[E], code: str, freshness: Freshness
) -> tuple[Listing[E], Found[Kept[E]]]:
    """The last 200 versions, newest first."""
    parameters = {"directory": directory.name, "code": code}
    found = await database.read(repository.versions(directory), parameters, freshness)
    if found.first is None:
        raise not_found("entry")
    return Listing(items=list(found.rows), next=None), found
