"""The SQL of calls."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from psycopg.rows import TupleRow

from app.calls.schemas import Call, CallDirection, CallForm
from app.database.units import READ_GATE, Read, WriteUnit

KEPT = timedelta(days=3 * 365)

_COLUMNS = """c.id, c.external_id, c.direction, c.phone, c.operator, c.customer_id, c.request_id,
       c.started_at, c.answered_at, c.ended_at, c.recording, c.personal_data_changed, c.keep_until,
       extract(epoch FROM coalesce(c.answered_at, c.ended_at) - c.started_at)::float8,
       extract(epoch FROM c.ended_at - c.answered_at)::float8"""

# What is known of a call only grows; that personal data were changed is never taken back.
_PUT = f"""
INSERT INTO crm.call AS c (id, external_id, direction, phone, operator, customer_id, request_id, started_at,
                           answered_at, ended_at, recording, personal_data_changed, keep_until)
VALUES (%(id)s, %(external_id)s, %(direction)s, %(phone)s, %(operator)s, %(customer_id)s, %(request_id)s,
        %(started_at)s, %(answered_at)s, %(ended_at)s, %(recording)s, %(personal_data_changed)s,
        CASE WHEN NOT %(personal_data_changed)s THEN %(started_at)s::timestamptz + %(kept)s END)
ON CONFLICT (external_id) DO UPDATE
SET operator = coalesce(excluded.operator, c.operator),
    customer_id = coalesce(excluded.customer_id, c.customer_id),
    request_id = coalesce(excluded.request_id, c.request_id),
    answered_at = coalesce(excluded.answered_at, c.answered_at),
    ended_at = coalesce(excluded.ended_at, c.ended_at),
    recording = coalesce(excluded.recording, c.recording),
    personal_data_changed = c.personal_data_changed OR excluded.personal_data_changed,
    keep_until = CASE WHEN NOT (c.personal_data_changed OR excluded.personal_data_changed)
                      THEN c.keep_until END
RETURNING {_COLUMNS}
"""
_LOCK = f"SELECT {_COLUMNS} FROM crm.call c WHERE c.external_id = %(external_id)s FOR UPDATE"


def _call(row: TupleRow) -> Call:
    id_, external_id, direction, *rest = row
    return Call(id_, external_id, CallDirection(direction), *rest)


async def lock(unit: WriteUnit, external_id: str) -> Call | None:
    """What was known of a call before; held until the commit. A round trip."""
    return await unit.one(_LOCK, {"external_id": external_id}, _call)


async def put(unit: WriteUnit, id_: UUID, form: CallForm) -> Call | None:
    """A new call, or what is newly known of one. A round trip."""
    parameters = {**form.model_dump(), "direction": form.direction.value, "id": id_, "kept": KEPT}
    return await unit.one(_PUT, parameters, _call)


ONE = Read(f"SELECT {_COLUMNS} FROM crm.call c WHERE {READ_GATE} AND c.id = %(id)s", _call)
