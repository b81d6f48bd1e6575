"""The SQL of invented sales: whole lists in one statement each. What is there already stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from app.claims.schemas import CLAIM_KINDS, ClaimKindForm
from app.deals.schemas import STAGES, DealStageForm
from app.deals.stages import CustomerFacts
from app.directory.model import Directory, E
from app.encoding import encode
from app.routing.engine import Candidate
from app.routing.repository import PEOPLE, SETTING, Setting, made_candidate, made_setting
from app.seeding.ground import Buyer
from app.staff.schemas import PEOPLE as PERSONS
from app.staff.schemas import UNITS

Connection = psycopg.Connection[Any]
Row = Mapping[str, object]
_ADDED = "'{version,changed_at,changed_by}'::text[]"
_BUYERS = """
SELECT DISTINCT ON (k.value) k.value, o.id, o.name, o.inn, o.kpp, o.ogrn,
       (SELECT count(*) FROM crm.contact t WHERE t.customer_id = o.id)
FROM crm.exact_key k JOIN crm.customer o ON o.id = k.customer_id AND o.merged_into IS NULL
WHERE k.kind = 'external_id' AND k.value = ANY (%s) ORDER BY k.value, o.id
"""
_NO_LEADS = """
UPDATE crm.customer SET stage = 'customer', version = version + 1, updated_at = now()
WHERE id = ANY (%s) AND stage <> 'customer' AND merged_into IS NULL
"""


def fill(connection: Connection, table: str, rows: Sequence[Row]) -> set[UUID]:
    """Rows of one table, all with the same columns. Returns the ids of those that are new."""
    if not rows:
        return set()
    sql = f"{_insert(table, rows)} ON CONFLICT DO NOTHING RETURNING id"
    return {id_ for (id_,) in connection.execute(sql.encode(), (_document(rows),)).fetchall()}


def add(connection: Connection, table: str, rows: Sequence[Row], *, again: bool = False) -> None:
    """Rows that belong to new ones, and so are new themselves unless they may be there `again`.

    Nothing is returned: the rules for reading would be asked for each of them.
    """
    if rows:
        sql = f"{_insert(table, rows)}{' ON CONFLICT DO NOTHING' if again else ''}"
        connection.execute(sql.encode(), (_document(rows),))


def _insert(table: str, rows: Sequence[Row]) -> str:
    columns = ", ".join(rows[0])
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s)"
    )


def _document(rows: Sequence[Row]) -> Jsonb:
    return Jsonb(rows, dumps=encode)


def enter(connection: Connection, *entries: tuple[Directory[E], Iterable[E]]) -> None:
    """Entries of directories that refer to each other, with their first versions: in one statement."""
    parts: list[str] = []
    histories: list[str] = []
    parameters: dict[str, Jsonb] = {}
    for directory, forms in entries:
        kept, columns = f"kept_{len(parts)}", ", ".join(directory.columns)
        parts.append(
            f"{kept} AS (INSERT INTO {directory.table} ({columns}, changed_by)"
            f" SELECT {columns}, 'seed'"
            f" FROM jsonb_populate_recordset(NULL::{directory.table}, %({kept})s)"
            f" ON CONFLICT DO NOTHING RETURNING *)"
        )
        histories.append(
            f"SELECT '{directory.name}', code, version, changed_at, changed_by, to_jsonb({kept}) - {_ADDED}"
            f" FROM {kept}"
        )
        parameters[kept] = _document([form.model_dump(mode="json") for form in forms])
    versions = "INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)"
    statement = f"WITH {', '.join(parts)} {versions} {' UNION ALL '.join(histories)}"
    connection.execute(statement.encode(), parameters)


def enter_staff(connection: Connection, units: Iterable[Any], people: Iterable[Any]) -> None:
    enter(connection, (UNITS, units), (PERSONS, people))


def stages(connection: Connection) -> Mapping[str, DealStageForm]:
    return {stage.code: stage for stage in _entries(connection, STAGES)}


def kinds(connection: Connection) -> Sequence[ClaimKindForm]:
    """Those that claims may be begun of."""
    return [kind for kind in _entries(connection, CLAIM_KINDS) if kind.active]


def _entries(connection: Connection, directory: Directory[E]) -> list[E]:
    sql = f"SELECT to_jsonb(t) - {_ADDED} FROM {directory.table} t ORDER BY t.code"
    return [directory.form.model_validate(row) for (row,) in connection.execute(sql.encode()).fetchall()]


def setting(connection: Connection, topic: str) -> Setting:
    """Of nobody in particular."""
    row = connection.execute(SETTING, {"topic": topic, "customer_id": None, "region": None}).fetchone()
    assert row is not None, "a kind of claim refers to its topic"
    return made_setting(row)


def people(connection: Connection, units: Sequence[str]) -> list[Candidate]:
    rows = connection.execute(PEOPLE, {"units": list(units), "manager": None}).fetchall()
    return [made_candidate(row) for row in rows]


def buyers(connection: Connection, numbers: Iterable[int]) -> Mapping[int, Buyer]:
    """Companies of the base by their numbers in the seed. Those that became part of others are not there."""
    wanted = {f"erp-{number}": number for number in numbers}
    rows = connection.execute(_BUYERS, (sorted(wanted),)).fetchall()
    return {
        wanted[key]: Buyer(wanted[key], id_, name, CustomerFacts(*facts)) for key, id_, name, *facts in rows
    }


def no_leads_any_more(connection: Connection, customers: Iterable[UUID]) -> None:
    """Whoever has a contract is a customer."""
    connection.execute(_NO_LEADS, (sorted(customers),))
