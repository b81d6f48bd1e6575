"""The SQL of the audit log. What seals it stands in migrations/0050_audit.sql."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow

from app.audit.model import Head, Sealed
from app.audit.verification import COLUMNS, sealed_entry
from app.database.units import READ_GATE, Read

# Many entries in one statement, as they stand in the spool. One that is there already was delivered before.
DELIVER = """
INSERT INTO crm.audit_pending
    (id, site, at, kind, principal, unit, region, partner, operation, status, subjects, trace, client)
SELECT id, site, at, kind, principal, unit, region, partner, operation, status, subjects, trace, client
FROM json_to_recordset(%(entries)s::text::json) AS entry (
    id uuid, site text, at timestamptz, kind text, principal text, unit text, region text, partner text,
    operation text, status smallint, subjects text[], trace text, client text)
ON CONFLICT DO NOTHING
"""


def delivery(lines: Sequence[bytes]) -> Mapping[str, Any]:
    """Parameters of DELIVER, from lines of the spool."""
    return {"entries": (b"[" + b",".join(lines) + b"]").decode()}


@dataclass(frozen=True, slots=True)
class Listed:
    """A sealed entry under the name that pages go by."""

    id: UUID
    sealed: Sealed


def _listed(row: TupleRow) -> Listed:
    sealed = sealed_entry(row)
    return Listed(sealed.entry.id, sealed)


_CONDITIONS = {
    "principal": "e.principal = %(principal)s",
    "subject": "e.subjects @> ARRAY[%(subject)s::text]",
    "site": "e.site = %(site)s",
    "kind": "e.kind = %(kind)s",
    "since": "e.at >= %(since)s",
    "until": "e.at < %(until)s",
}
FILTERS = tuple(_CONDITIONS)


@cache
def page(filters: frozenset[str]) -> Read[Listed]:
    """One statement for each set of filters that is used, so that each has its own plan."""
    conditions = "".join(f" AND {condition}" for name, condition in _CONDITIONS.items() if name in filters)
    return Read(
        f"SELECT {COLUMNS} FROM crm.audit_entry e WHERE {READ_GATE} AND e.id < %(below)s{conditions}"
        " ORDER BY e.id DESC LIMIT %(rows)s",
        _listed,
    )


HEADS = Read(
    f"""
    SELECT DISTINCT ON (e.site) e.site, e.position, e.hash FROM crm.audit_entry e
    WHERE {READ_GATE} ORDER BY e.site, e.position DESC""",
    lambda row: Head(row[0], row[1], bytes(row[2])),
)
