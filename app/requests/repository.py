"""The SQL of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast
from uuid import UUID

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.database.units import READ_GATE, Read, Whole, WriteUnit
from app.requests.channels import Channel
from app.requests.schemas import (
    Assignment,
    CustomerRequest,
    Event,
    EventKind,
    RequestWithHistory,
    Status,
)
from app.routing.engine import Consideration, Decision
from app.sla.overdue import Deadline, past
from app.topics.schemas import Importance, Priority

CUSTOMER_CONSTRAINT = "request_customer_fkey"

_FIELDS = tuple(field.name for field in fields(CustomerRequest))
_STORED = ["body" if name == "text" else name for name in _FIELDS]
_COLUMNS = ", ".join(f"r.{name}" for name in _STORED)
_ENUMS: Mapping[str, Callable[[str], StrEnum]] = {
    "channel": Channel,
    "status": Status,
    "priority": Priority,
    "importance": Importance,
}


def _values(row: TupleRow) -> dict[str, Any]:
    values = dict(zip(_FIELDS, row, strict=False))
    return {**values, **{name: make(values[name]) for name, make in _ENUMS.items()}}


def _request(row: TupleRow) -> CustomerRequest:
    return CustomerRequest(**_values(row))


def _with_history(row: TupleRow) -> RequestWithHistory:
    events = tuple(
        Event(version, EventKind(kind), datetime.fromisoformat(at), actor, note)
        for version, kind, at, actor, note in row[-1]
    )
    return RequestWithHistory(**_values(row[:-1]), history=events)


REQUEST = Whole.row("request", "crm.request", "id")
WITH_HISTORY = Read(
    f"""
    SELECT {_COLUMNS},
           (SELECT jsonb_agg(jsonb_build_array(e.version, e.kind, e.at, e.actor, e.note) ORDER BY e.version)
            FROM crm.request_event e WHERE e.request_id = r.id)
    FROM crm.request r WHERE {READ_GATE} AND r.id = %(id)s""",
    _with_history,
)

_ZONE = """
    WITH RECURSIVE zone AS (
        SELECT u.code FROM crm.unit u WHERE u.head = %(zone_of)s
        UNION SELECT u.code FROM crm.unit u JOIN zone z ON u.parent = z.code
    ) SELECT z.code FROM zone z"""
_CONDITIONS = {
    **{
        name: f"r.{name} = %({name})s"
        for name in (
            *("status", "customer_id", "assignee", "unit", "queue", "topic", "external_reference"),
            "follows",
        )
    },
    "zone_of": f"r.unit IN ({_ZONE})",
}
# Each deadline has a condition of its own, with what the indexes of open requests ask for.
OVERDUE = "overdue"
FILTERS = (*_CONDITIONS, OVERDUE)


def page(filters: Mapping[str, str]) -> Read[CustomerRequest]:
    """One statement for each set of filters that is used, so that each has its own plan."""
    return _page(tuple(_conditions(filters)))


def _conditions(filters: Mapping[str, str]) -> Iterator[str]:
    yield from (condition for name, condition in _CONDITIONS.items() if name in filters)
    if OVERDUE in filters:
        yield f"r.status <> 'closed' AND {past(Deadline(filters[OVERDUE]))}"


@cache
def _page(conditions: tuple[str, ...]) -> Read[CustomerRequest]:
    narrowed = "".join(f" AND {condition}" for condition in conditions)
    return Read(
        f"SELECT {_COLUMNS} FROM crm.request r WHERE {READ_GATE} AND r.id < %(below)s{narrowed}"
        " ORDER BY r.id DESC LIMIT %(rows)s",
        _request,
    )


_INSERT = f"""
INSERT INTO crm.request ({", ".join(_STORED)}, routing)
VALUES ({", ".join(f"%({name})s" for name in _FIELDS)}, %(routing)s)
"""
_CHANGING = (
    "status", "assignee", "resolution", "version", "taken_at", "closed_at", "line", "unit", "priority",
    "reaction_due", "solution_due", "waiting_since", "waiting_due", "external_system", "external_reference",
    "rating", "topic_version", "reopened_at",
)  # fmt: skip
# Each pause is reported for itself.
_UPDATE = f"""
UPDATE crm.request SET {", ".join(f"{name} = %({name})s" for name in _CHANGING)},
    waiting_overdue_at = CASE WHEN waiting_since = %(waiting_since)s THEN waiting_overdue_at END
WHERE id = %(id)s
"""
_ROUTED = "UPDATE crm.request SET routing = %(routing)s WHERE id = %(id)s"
_EVENT = """
INSERT INTO crm.request_event (request_id, version, kind, at, actor, note)
VALUES (%(request_id)s, %(version)s, %(kind)s, %(at)s, %(actor)s, %(note)s)
"""
_LOCK = f"SELECT {_COLUMNS} FROM crm.request r WHERE r.id = %(id)s FOR UPDATE"
_LOCK_FOLLOWING = f"""
SELECT {_COLUMNS} FROM crm.request r WHERE r.follows = %(id)s ORDER BY r.id DESC LIMIT 1 FOR UPDATE
"""
# What it missed until it was closed was told then (app/sla/overdue.py).
_NOT_YET_LATE = """
UPDATE crm.request SET reaction_overdue_at = NULL, solution_overdue_at = NULL WHERE id = %(id)s
"""


async def insert(unit: WriteUnit, request: CustomerRequest, decision: Decision) -> None:
    """Queued. An unknown customer breaks CUSTOMER_CONSTRAINT."""
    await unit.queue(_INSERT, {**_columns(request), "routing": explanation(decision)})


def stored_row(request: CustomerRequest, decision: Decision) -> Mapping[str, Any]:
    """The columns of crm.request, for whoever stores many at once."""
    values = _columns(request)
    row = {stored: values[name] for stored, name in zip(_STORED, _FIELDS, strict=True)}
    return {**row, "routing": explanation(decision).obj}


async def routed(unit: WriteUnit, id_: UUID, decision: Decision) -> None:
    """Queued."""
    await unit.queue(_ROUTED, {"id": id_, "routing": explanation(decision)})


def explanation(decision: Decision) -> Jsonb:
    considered = [{"rule": each.rule, "fits": each.fits, "why": each.why} for each in decision.considered]
    return Jsonb({"rule": decision.rule, "considered": considered})


def _assignment(row: TupleRow) -> Assignment:
    unit, assignee, routing = row
    considered = [Consideration(**each) for each in (routing or {}).get("considered", [])]
    return Assignment(unit, assignee, (routing or {}).get("rule"), considered)


ASSIGNMENT = Read(
    f"SELECT r.unit, r.assignee, r.routing FROM crm.request r WHERE {READ_GATE} AND r.id = %(id)s",
    _assignment,
)


async def update(unit: WriteUnit, request: CustomerRequest) -> None:
    """Queued; the request must be locked."""
    await unit.queue(_UPDATE, _columns(request))


async def add_event(unit: WriteUnit, request_id: UUID, event: Event) -> None:
    """Queued."""
    parameters = {name: getattr(event, name) for name in ("version", "at", "actor", "note")}
    await unit.queue(_EVENT, {**parameters, "request_id": request_id, "kind": event.kind.value})


async def unit_of(unit: WriteUnit, person: str) -> str | None:
    """Of somebody at work. A round trip."""
    sql = "SELECT p.unit FROM crm.person p WHERE p.code = %(code)s AND p.active"
    return await unit.one(sql, {"code": person}, lambda row: str(row[0]))


_SOLE = """
SELECT CASE WHEN count(*) = 1 THEN min(k.customer_id::text)::uuid END FROM (
    SELECT DISTINCT coalesce(c.merged_into, c.id) AS customer_id
    FROM crm.exact_key f JOIN crm.customer c ON c.id = f.customer_id
    WHERE f.value = %(value)s AND f.kind = %(kind)s LIMIT 2
) k
"""


async def sole_customer(unit: WriteUnit, value: str, kind: str) -> UUID | None:
    """The customer to whom alone a contact belongs. A round trip."""
    return await unit.one(_SOLE, {"value": value, "kind": str(kind)}, lambda row: cast("UUID", row[0]))


async def lock(unit: WriteUnit, id_: UUID) -> CustomerRequest | None:
    return await unit.one(_LOCK, {"id": id_}, _request)


async def lock_following(unit: WriteUnit, id_: UUID) -> CustomerRequest | None:
    """The request that goes on for this one. A round trip."""
    return await unit.one(_LOCK_FOLLOWING, {"id": id_}, _request)


async def not_yet_late(unit: WriteUnit, id_: UUID) -> None:
    """Queued. Its clock begins anew: it can miss its deadlines once more."""
    await unit.queue(_NOT_YET_LATE, {"id": id_})


def _columns(request: CustomerRequest) -> Mapping[str, Any]:
    values = {name: getattr(request, name) for name in _FIELDS}
    return {**values, **{name: values[name].value for name in _ENUMS}}
