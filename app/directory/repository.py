"""The SQL of every directory. Only names from our own `Directory` constants enter statements."""

from __future__ import annotations

from functools import cache
from typing import Any

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.database.units import READ_GATE, Read, WriteUnit
from app.directory.model import Directory, E, Kept

_ADDED = "'{version,changed_at,changed_by}'::text[]"
_HISTORY = f"""
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT %(directory)s, k.code, k.version, k.changed_at, k.changed_by, to_jsonb(k) - {_ADDED} FROM kept k
"""


def _columns(alias: str) -> str:
    return f"{alias}.version, {alias}.changed_at, {alias}.changed_by, to_jsonb({alias}) - {_ADDED}"


def maker(directory: Directory[E]) -> Any:
    """How a row becomes an entry."""
    shape = Kept[directory.form]  # type: ignore[name-defined]

    def make(row: TupleRow) -> Kept[E]:
        version, changed_at, changed_by, content = row
        return shape(version=version, changed_at=changed_at, changed_by=changed_by, content=content)

    return make


@cache
def one(directory: Directory[E]) -> Read[Kept[E]]:
    sql = f"SELECT {_columns('t')} FROM {directory.table} t WHERE {READ_GATE} AND t.code = %(code)s"
    return Read(sql, maker(directory))


@cache
def page(directory: Directory[E]) -> Read[Kept[E]]:
    sql = (
        f"SELECT {_columns('t')} FROM {directory.table} t WHERE {READ_GATE} AND t.code > %(after)s"
        " ORDER BY t.code LIMIT %(rows)s"
    )
    return Read(sql, maker(directory))


@cache
def versions(directory: Directory[E]) -> Read[Kept[E]]:
    sql = (
        "SELECT v.version, v.changed_at, v.changed_by, v.content FROM crm.directory_version v"
        f" WHERE {READ_GATE} AND v.directory = %(directory)s AND v.code = %(code)s"
        " ORDER BY v.version DESC LIMIT 200"
    )
    return Read(sql, maker(directory))


async def insert(unit: WriteUnit, directory: Directory[E], kept: Kept[E]) -> None:
    """Queued. A known code breaks the primary key, an unknown reference `<table>_<column>_fkey`."""
    sql = f"""
    WITH kept AS (
        INSERT INTO {directory.table}
        SELECT (jsonb_populate_record(NULL::{directory.table}, %(row)s)).* RETURNING *
    ) {_HISTORY}"""
    await unit.queue(sql, {"row": _row(kept), "directory": directory.name})


async def lock(unit: WriteUnit, directory: Directory[E], code: str) -> int | None:
    """The present version."""
    sql = f"SELECT t.version FROM {directory.table} t WHERE t.code = %(code)s FOR UPDATE"
    return await unit.one(sql, {"code": code}, lambda row: int(row[0]))


async def replace(unit: WriteUnit, directory: Directory[E], kept: Kept[E]) -> None:
    """Queued; the entry must be locked."""
    names = ", ".join((*directory.columns, "version", "changed_at", "changed_by"))
    sql = f"""
    WITH kept AS (
        UPDATE {directory.table} t SET ({names}) =
            (SELECT {names} FROM jsonb_populate_record(NULL::{directory.table}, %(row)s))
        WHERE t.code = %(code)s RETURNING t.*
    ) {_HISTORY}"""
    await unit.queue(sql, {"row": _row(kept), "code": kept.content.code, "directory": directory.name})


def _row(kept: Kept[E]) -> Jsonb:
    document = kept.model_dump(mode="json")
    return Jsonb({**document.pop("content"), **document})
