"""One batch into the base: COPY into staging, then set-wise. Runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import psycopg
from psycopg.types.json import Jsonb

from app import cleansing
from app.customers.repository import found_by
from app.encoding import encode
from app.identity import new_id
from app.imports import load_sql
from app.imports.batch import Batch, Entry, gather
from app.imports.schemas import Counts, Rejection, Row


class OvertakenError(Exception):
    """A form made or changed a card of this batch meanwhile; roll back and load the batch again."""


def load(
    connection: psycopg.Connection, results: Sequence[Row | Rejection]
) -> tuple[Counts, list[Rejection]]:
    """Returns what became of the rows, and every one that was refused.

    Raises OvertakenError, or psycopg.Error: nothing of the batch may be committed then.
    """
    batch = gather(results, _registered(connection, results))
    _stage(connection, batch.entries)
    for statement in load_sql.MATCH:
        connection.execute(statement)
    if connection.execute(load_sql.LOCK_CARDS).fetchone() != (0,):
        raise OvertakenError
    try:
        created = _write(connection)
        enriched = connection.execute(load_sql.ENRICH).rowcount
    except psycopg.IntegrityError as error:
        raise OvertakenError from error
    connection.execute(load_sql.WORDS)
    connection.execute(load_sql.NEW_KEYS)
    connection.execute(load_sql.ENRICHED_KEYS)
    return _counts(batch, created, enriched), batch.rejections


def _registered(connection: psycopg.Connection, results: Sequence[Row | Rejection]) -> dict[str, str]:
    ogrns = {result.details.ogrn for result in results if isinstance(result, Row) and result.details.ogrn}
    rows = connection.execute(load_sql.REGISTERED, {"ogrns": list(ogrns)}).fetchall()
    return {str(ogrn): str(inn) for ogrn, inn in rows}


def _stage(connection: psycopg.Connection, entries: Sequence[Entry]) -> None:
    connection.execute(load_sql.STAGING)
    cursor = connection.cursor()
    with cursor.copy(load_sql.COPY_INCOMING) as copy:
        for entry in entries:
            of = entry.details
            numbers = (of.inn, of.kpp, of.ogrn, of.snils)
            given = encode(of.given).decode()
            words, people = found_by(of)
            place = None if of.address is None else cleansing.address_key(of.address) or None
            of_what = (entry.id, of.kind.value, of.stage.value, of.name)
            copy.write_row((*of_what, *numbers, of.address, of.external_id, given, words, people, place))
    with cursor.copy(load_sql.COPY_CONTACTS) as copy:
        for entry in entries:
            for position, contact in enumerate(entry.details.contacts, 1):
                copy.write_row(
                    (entry.id, new_id(), contact.kind.value, contact.value, contact.person, position)
                )
    connection.execute(load_sql.ANALYZE)


def _write(connection: psycopg.Connection) -> int:
    """New cards with their contacts; how many."""
    connection.execute(load_sql.ENTITIES)
    inserted = connection.execute(load_sql.NEW_CARDS).rowcount
    expected = connection.execute(load_sql.COUNT_NEW).fetchone()
    if expected != (inserted,):
        raise OvertakenError
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
