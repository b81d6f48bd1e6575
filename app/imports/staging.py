"""A batch as PostgreSQL takes it in: gathered, and written out as the content of two COPYs.

Done ahead of the transaction that loads it: the next batch is made while PostgreSQL works on this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain

import psycopg
from psycopg.copy import Copy, FileWriter

from app import cleansing
from app.customers.repository import found_by
from app.encoding import encode
from app.identity import new_hex_ids
from app.imports.batch import Batch, Entry, gather
from app.imports.schemas import Rejection, Row

Results = Sequence[Row | Rejection]
_Line = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """`results` as they were read, for the case that they must be gathered again."""

    results: Results
    batch: Batch
    incoming: bytes
    contacts: bytes


def stage(connection: psycopg.Connection, results: Results, registered: Mapping[str, str]) -> Staged:
    """`registered`: the INN of OGRNs that the base knows already. The connection is asked nothing."""
    batch = gather(results, registered)
    ids = new_hex_ids(len(batch.entries))
    incoming = _content(connection, map(_customer, ids, batch.entries))
    contacts = chain.from_iterable(map(_contacts, ids, batch.entries))
    contact_ids = new_hex_ids(sum(len(entry.details.contacts) for entry in batch.entries))
    return Staged(results, batch, incoming, _content(connection, map(_with_id, contact_ids, contacts)))


def _customer(id_: str, entry: Entry) -> _Line:
    """In the order of `load_sql.COPY_INCOMING`."""
    of = entry.details
    numbers = (of.inn, of.kpp, of.ogrn, of.snils)
    given = encode(of.given).decode() if of.given else "{}"
    words, people = found_by(of)
    place = None if of.address is None else cleansing.address_key(of.address) or None
    of_what = (id_, of.kind.value, of.stage.value, of.name)
    return (*of_what, *numbers, of.address, of.external_id, given, words, people, place)


def _contacts(id_: str, entry: Entry) -> Iterator[_Line]:
    """In the order of `load_sql.COPY_CONTACTS`, without an id of their own."""
    for position, contact in enumerate(entry.details.contacts, 1):
        yield id_, contact.kind.value, contact.value, contact.person, position


def _with_id(id_: str, contact: _Line) -> _Line:
    return (id_, *contact)


def _content(connection: psycopg.Connection, rows: Iterator[_Line]) -> bytes:
    content = BytesIO()
    with Copy(connection.cursor(), writer=FileWriter(content)) as copy:
        for row in rows:
            copy.write_row(row)
    return content.getvalue()
