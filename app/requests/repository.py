"""The SQL of requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, WriteUnit
from app.requests.channels import Channel
from app.requests.schemas import CustomerRequest, Event, EventKind, RequestWithHistory, Status

CUSTOMER_CONSTRAINT = "request_customer_fkey"

_COLUMNS = """r.id, r.customer_id, r.channel, r.topic, r.subject, r.body, r.status, r.assignee, r.resolution,
       r.external_id, r.version, r.created_at, r.taken_at, r.closed_at"""


def _request(row: TupleRow) -> CustomerRequest:
    id_, customer_id, channel, topic, subject, body, status, *rest = row
    return CustomerRequest(id_, customer_id, Channel(channel), topic, subject, body, Status(status), *rest)


def _with_history(row: TupleRow) -> RequestWithHistory:
    request = _request(row[:-1])
    events = tuple(
        Event(version, EventKind(kind), datetime.fromisoformat(at), actor, note)
        for version, kind, at, actor, note in row[-1]
    )
    values = {name: getattr(request, name) for name in CustomerRequest.__slots__}
    return RequestWithHistory(**values, history=events)


WITH_HISTORY = Read(
    f"""
    SELECT {_COLUMNS},
           (SELECT jsonb_agg(jsonb_build_array(e.version, e.kind, e.at, e.actor, e.note) ORDER BY e.version)
            FROM crm.request_event e WHERE e.request_id = r.id)
    FROM crm.request r WHERE {READ_GATE} AND r.id = %(id)s""",
    _with_history,
)

FILTERS = ("status", "customer_id", "assignee")


@cache
def page(filters: frozenset[str]) -> Read[CustomerRequest]:
    """One statement for each set of filters, so that each has its own plan; eight at most."""
    conditions = "".join(f" AND r.{name} = %({name})s" for name in FILTERS if name in filters)
    return Read(
        f"SELECT {_COLUMNS} FROM crm.request r WHERE {READ_GATE} AND r.id < %(below)s{conditions}"
        " ORDER BY r.id DESC LIMIT %(rows)s",
        _request,
    )


_INSERT = """
INSERT INTO crm.request (id, customer_id, channel, topic, subject, body, status, external_id,
                         version, created_at)
VALUES (%(id)s, %(customer_id)s, %(channel)s, %(topic)s, %(subject)s, %(text)s, %(status)s, %(external_id)s,
        %(version)s, %(created_at)s)
"""
_UPDATE = """
UPDATE crm.request
SET status = %(status)s, assignee = %(assignee)s, resolution = %(resolution)s, version = %(version)s,
    taken_at = %(taken_at)s, closed_at = %(closed_at)s
WHERE id = %(id)s
"""
_EVENT = """
INSERT INTO crm.request_event (request_id, version, kind, at, actor, note)
VALUES (%(request_id)s, %(version)s, %(kind)s, %(at)s, %(actor)s, %(note)s)
"""
_LOCK = f"SELECT {_COLUMNS} FROM crm.request r WHERE r.id = %(id)s FOR UPDATE"


async def insert(unit: WriteUnit, request: CustomerRequest) -> None:
    """Queued. An unknown customer breaks CUSTOMER_CONSTRAINT."""
    await unit.queue(_INSERT, _columns(request))


async def update(unit: WriteUnit, request: CustomerRequest) -> None:
    """Queued; the request must be locked."""
    await unit.queue(_UPDATE, _columns(request))


async def add_event(unit: WriteUnit, request_id: UUID, event: Event) -> None:
    """Queued."""
    parameters = {name: getattr(event, name) for name in ("version", "at", "actor", "note")}
    await unit.queue(_EVENT, {**parameters, "request_id": request_id, "kind": event.kind.value})


async def lock(unit: WriteUnit, id_: UUID) -> CustomerRequest | None:
    return await unit.one(_LOCK, {"id": id_}, _request)


def _columns(request: CustomerRequest) -> Mapping[str, Any]:
    values = {name: getattr(request, name) for name in CustomerRequest.__slots__}
    return {**values, "channel": request.channel.value, "status": request.status.value}
