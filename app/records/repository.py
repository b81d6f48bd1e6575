"""The SQL of every noun. Only names from our own `Noun` constants enter statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from app.database.units import READ_GATE, Read, WriteUnit
from app.records.model import Noun, R, RecordEvent


def columns(noun: Noun[R]) -> str:
    """Of `t`, as `maker` takes them."""
    within = f"crm.reached_by_customer('{noun.resource}', t.customer_id)" if noun.in_part else "true"
    return ", ".join([*(f"t.{name}" for name in noun.columns), within])


def maker(noun: Noun[R]) -> Callable[[TupleRow], R]:
    names, shape = noun.columns, noun.shape

    def make(row: TupleRow) -> R:
        *values, within = row
        return shape.model_validate(dict(zip(names, values, strict=True))).seen(within=within)

    return make


@cache
def one(noun: Noun[R]) -> Read[R]:
    return Read(
        f"SELECT {columns(noun)} FROM {noun.table} t WHERE {READ_GATE} AND t.id = %(id)s", maker(noun)
    )


@cache
def page(noun: Noun[R], filters: frozenset[str]) -> Read[R]:
    conditions = "".join(f" AND t.{name} = %({name})s" for name in sorted(filters))
    return Read(
        f"SELECT {columns(noun)} FROM {noun.table} t WHERE {READ_GATE} AND t.id < %(below)s{conditions}"
        " ORDER BY t.id DESC LIMIT %(rows)s",
        maker(noun),
    )


HISTORY = Read(
    "SELECT e.version, e.kind, e.at, e.actor, e.note FROM crm.record_event e"
    f" WHERE {READ_GATE} AND e.record_id = %(id)s AND e.noun = %(noun)s AND e.version > %(after)s"
    " ORDER BY e.version LIMIT %(rows)s",
    lambda row: RecordEvent(*row),
)


async def insert(unit: WriteUnit, noun: Noun[R], record: R) -> bool:
    """False if there is no such customer in the asker's eyes: a foreign key would see all of them."""
    sql = (
        f"INSERT INTO {noun.table} ({', '.join(noun.columns)})"
        f" SELECT {', '.join(f'%({name})s' for name in noun.columns)}"
        " FROM crm.customer o WHERE o.id = %(customer_id)s RETURNING id"
    )
    return await unit.one(sql, parameters(record), lambda row: row[0]) is not None


async def lock(unit: WriteUnit, noun: Noun[R], id_: UUID) -> R | None:
    """The present record, if the asker may change it."""
    sql = f"SELECT {columns(noun)} FROM {noun.table} t WHERE t.id = %(id)s FOR UPDATE"
    return await unit.one(sql, {"id": id_}, maker(noun))


async def update(unit: WriteUnit, noun: Noun[R], record: R) -> None:
    """Queued; the record must be locked."""
    names = [name for name in noun.columns if name not in ("id", "customer_id", "created_at")]
    sql = f"UPDATE {noun.table} SET {', '.join(f'{name} = %({name})s' for name in names)} WHERE id = %(id)s"
    await unit.queue(sql, parameters(record))


_ADD_EVENT = """
INSERT INTO crm.record_event (record_id, version, noun, customer_id, kind, at, actor, note)
VALUES (%(id)s, %(version)s, %(noun)s, %(customer_id)s, %(kind)s, %(changed_at)s, %(actor)s, %(note)s)
"""


async def add_event(
    unit: WriteUnit, noun: Noun[R], record: R, kind: str, *, actor: str, note: str | None
) -> None:
    """Queued."""
    step = {"noun": noun.resource, "kind": kind, "actor": actor, "note": note}
    await unit.queue(_ADD_EVENT, {**parameters(record), **step})


def parameters(record: BaseModel) -> Mapping[str, Any]:
    return {name: _parameter(getattr(record, name)) for name in type(record).model_fields}


def _parameter(value: Any) -> Any:
    """Forms and lists inside a record are jsonb columns."""
    if isinstance(value, tuple):
        return Jsonb([_plain(item) for item in value])
    return Jsonb(_plain(value)) if isinstance(value, BaseModel) else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value.value if isinstance(value, Enum) else value
