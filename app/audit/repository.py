"""The SQL of the audit log. What seals it stands in migrations/0050_audit.sql."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow

from app.audit.model import Entry, Head, Sealed
from app.audit.verification import COLUMNS, sealed_entry
from app.database.units import READ_GATE, Read

_WAITING = tuple(name for name in Entry.__slots__ if name not in {"subjects", "fingerprint"})

# Many entries in one statement. Subjects come as one array for all, as arrays of arrays must be rectangular:
# `owners` says which entry each belongs to. One that is there already was delivered before.
DELIVER = f"""
INSERT INTO crm.audit_pending ({", ".join(_WAITING)}, subjects)
SELECT {", ".join(f"t.{name}" for name in _WAITING)}, coalesce(
    (SELECT array_agg(s.subject ORDER BY s.number)
     FROM unnest(%(subjects)s::text[], %(owners)s::integer[]) WITH ORDINALITY AS s (subject, owner, number)
     WHERE s.owner = t.number), '{{}}')
FROM unnest(%(id)s::uuid[], %(site)s::text[], %(at)s::timestamptz[], %(kind)s::text[], %(principal)s::text[],
            %(unit)s::text[], %(region)s::text[], %(partner)s::text[], %(operation)s::text[],
            %(status)s::smallint[], %(trace)s::text[], %(client)s::text[])
     WITH ORDINALITY AS t ({", ".join(_WAITING)}, number)
ON CONFLICT DO NOTHING
"""


def delivery(entries: Sequence[Entry]) -> Mapping[str, Any]:
    """Parameters of DELIVER."""
    values: dict[str, Any] = {name: [getattr(entry, name) for entry in entries] for name in _WAITING}
    owned = [(subject, number) for number, entry in enumerate(entries, 1) for subject in entry.subjects]
    return {**values, "subjects": [subject for subject, _ in owned], "owners": [owner for _, owner in owned]}


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
