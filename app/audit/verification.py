"""Verification of the log in a database. psycopg and the standard library only (see model.py)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from app.audit.chain import Break, verify
from app.audit.model import Entry, Head, Kind, Notice, Sealed

ROWS_AT_ONCE = 5000
BREAKS_TOLD = 100  # a chain broken at every entry is told as well by the first

COLUMNS = (
    "e.position, e.hash, e.id, e.site, e.at, e.kind, e.principal, e.unit, e.region, e.partner, e.operation,"
    " e.status, e.subjects, e.trace, e.client, e.fingerprint"
)
_ALL = f"SELECT {COLUMNS} FROM crm.audit_entry e ORDER BY e.site, e.position"
_WAITING = "SELECT count(*), coalesce(now() - min(p.at), '0') FROM crm.audit_pending p"
_OPEN = """
SELECT e.subjects[1] FROM crm.audit_entry e WHERE e.kind = %(notice)s
GROUP BY e.subjects[1] HAVING bool_and(e.operation = %(began)s) ORDER BY 1
"""
_NOTICES = {"notice": Kind.NOTICE.value, "began": Notice.BEGAN.value}


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    `waiting` entries, the oldest for `waiting_for`, are not sealed yet. `open_recorders` began and have not
    said that they ended: they run, or their hosts went away with what they showed last.
    """

    heads: tuple[Head, ...]
    breaks: tuple[Break, ...]
    waiting: int
    waiting_for: timedelta
    open_recorders: tuple[str, ...]

    @property
    def sound(self) -> bool:
        return not self.breaks


def sealed_entry(row: TupleRow) -> Sealed:
    """A row of COLUMNS."""
    position, hash_, id_, site, at, kind, *zone, operation, status, subjects, trace, client, fingerprint = row
    principal, unit, region, partner = zone
    entry = Entry(
        id=id_,
        site=site,
        at=at,
        kind=Kind(kind),
        principal=principal,
        unit=unit,
        region=region,
        partner=partner,
        operation=operation,
        status=status,
        subjects=tuple(subjects),
        trace=trace,
        client=client,
        fingerprint=None if fingerprint is None else bytes(fingerprint),
    )
    return Sealed(position, bytes(hash_), entry)


def verify_database(connection: psycopg.Connection[Any], published: Iterable[Head] = ()) -> Report:
    """Read the whole log as it is at one moment, in pieces. For `crm_audit`, on any node."""
    heads: dict[str, Head] = {}
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        breaks = tuple(islice(verify(_entries(connection), published, heads), BREAKS_TOLD))
        waiting = connection.execute(_WAITING).fetchone()
        recorders = tuple(name for (name,) in connection.execute(_OPEN, _NOTICES))
    assert waiting is not None
    return Report(tuple(heads[site] for site in sorted(heads)), breaks, waiting[0], waiting[1], recorders)


def _entries(connection: psycopg.Connection[Any]) -> Iterator[Sealed]:
    with connection.cursor("audit") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(_ALL)
        for row in cursor:
            yield sealed_entry(row)


def head_line(head: Head) -> str:
    """A head as one line of JSON, as it is published."""
    return json.dumps({"site": head.site, "position": head.position, "hash": head.hash.hex()})


def read_heads(lines: Iterable[str]) -> tuple[Head, ...]:
    """Published heads. Raises ValueError, naming the line, for anything else."""
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            found.append(Head(str(value["site"]), int(value["position"]), bytes.fromhex(value["hash"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} is no published head: {error}") from error
    return tuple(found)
