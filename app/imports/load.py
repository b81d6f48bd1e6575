"""One batch into the base: COPY into staging, then set-wise. Runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict

import psycopg
from psycopg.types.json import Jsonb

from app.imports import load_sql
from app.imports.batch import Batch
from app.imports.schemas import Counts, Rejection
from app.imports.staging import Staged, array, stage


class OvertakenError(Exception):
    """A form made or changed a card of this batch meanwhile; roll back and load the batch again."""


def load(connection: psycopg.Connection, staged: Staged) -> tuple[Counts, list[Rejection]]:
    """Returns what became of the rows, and every one that was refused.

    Raises OvertakenError, or psycopg.Error: nothing of the batch may be committed then.
    """
    registered = _registered(connection, staged)
    if not registered.items() <= staged.batch.owners.items():
        staged = stage(staged.results, registered)
    _copy(connection, staged)
    for statement in load_sql.MATCH:
        connection.execute(statement)
    if connection.execute(load_sql.LOCK_CARDS).fetchone() != (0,):
        raise OvertakenError
    try:
        created = _write(connection, registered)
        enriched = connection.execute(load_sql.ENRICH).rowcount
    except psycopg.IntegrityError as error:
        raise OvertakenError from error
    connection.execute(load_sql.WORDS)
    connection.execute(load_sql.NEW_KEYS)
    connection.execute(load_sql.ENRICHED_KEYS)
    return _counts(staged.batch, created, enriched), staged.batch.rejections


def _registered(connection: psycopg.Connection, staged: Staged) -> dict[str, str]:
    """The INN of each OGRN of the batch that the base knows; one of another INN takes its row out again."""
    rows = connection.execute(load_sql.REGISTERED, {"ogrns": array(staged.batch.owners)}).fetchall()
    return {str(ogrn): str(inn) for ogrn, inn in rows}


def _copy(connection: psycopg.Connection, staged: Staged) -> None:
    connection.execute(load_sql.STAGING)
    cursor = connection.cursor()
    for statement, content in (
        (load_sql.COPY_INCOMING, staged.incoming),
        (load_sql.COPY_CONTACTS, staged.contacts),
    ):
        with cursor.copy(statement) as copy:
            copy.write(content)


def _write(connection: psycopg.Connection, registered: Collection[str]) -> int:
    """New cards with their contacts; how many. All OGRNs but those are new."""
    connection.execute(load_sql.ENTITIES, {"registered": array(registered)})
    inserted = connection.execute(load_sql.NEW_CARDS).rowcount
    connection.execute(load_sql.NEW_CONTACTS)
    return inserted


def _counts(batch: Batch, created: int, enriched: int) -> Counts:
    """Every row is counted once. Rows that fill an entry of their own batch enrich it."""
    rows = sum(entry.rows for entry in batch.entries)
    enriched += sum(entry.useful - 1 for entry in batch.entries)
    return Counts(created, enriched, rows - created - enriched, len(batch.rejections))


def reject(connection: psycopg.Connection, job: object, rejections: Sequence[Rejection]) -> None:
    """Keep the refused rows with their reasons."""
    if not rejections:
        return
    parameters = {
        "job": job,
        "rows": [rejection.row for rejection in rejections],
        "lines": [rejection.line for rejection in rejections],
        "errors": [Jsonb([asdict(error) for error in rejection.errors]) for rejection in rejections],
    }
    connection.execute(load_sql.REJECT, parameters)
