"""A batch as PostgreSQL takes it in: gathered, and written out as the content of two COPYs.

Done ahead of the transaction that loads it: the next batch is made while PostgreSQL works on this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from app import cleansing
from app.customers.repository import found_by
from app.encoding import encode
from app.identity import new_hex_ids
from app.imports.batch import Batch, Entry, gather
from app.imports.schemas import Rejection, Row

Results = Sequence[Row | Rejection]
_Fields = tuple[str | None, ...]
# COPY's text format; no field is an empty text, so that an empty one stands for NULL (`load_sql`).
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Staged:
    """`results` as they were read, for the case that they must be gathered again."""

    results: Results
    batch: Batch
    incoming: bytes
    contacts: bytes


def stage(results: Results, registered: Mapping[str, str]) -> Staged:
    """`registered`: the INN of OGRNs that the base knows already."""
    batch = gather(results, registered)
    entries = batch.entries
    ids = _ids(entries)
    contacts = chain.from_iterable(map(_contacts, ids, entries))
    contact_ids = new_hex_ids(sum(len(entry.details.contacts) for entry in entries))
    return Staged(
        results,
        batch,
        _content(map(_customer, ids, entries)),
        _content((id_, *contact) for id_, contact in zip(contact_ids, contacts, strict=True)),
    )


def array(texts: Collection[str]) -> str:
    """Of letters and digits only, as words and OGRNs are; quoted, as the word `null` would be none."""
    return '{"' + '","'.join(texts) + '"}' if texts else "{}"


def _ids(entries: Sequence[Entry]) -> list[str]:
    """In the order in which cards are written, by their INN: so the indexes on ids grow at their end only."""

    def requisites(position: int) -> tuple[str, str]:
        of = entries[position].details
        return of.inn or "", of.kpp or ""

    order = sorted(range(len(entries)), key=requisites)
    ids = dict(zip(order, new_hex_ids(len(entries)), strict=True))
    return [ids[position] for position in range(len(entries))]


def _customer(id_: str, entry: Entry) -> _Fields:
    """In the order of `load_sql.COPY_INCOMING`."""
    of = entry.details
    numbers = (of.inn, of.kpp, of.ogrn, of.snils)
    given = encode(of.given).decode() if of.given else "{}"
    words, people = found_by(of)
    place = None if of.address is None else cleansing.address_key(of.address)
    of_what = (id_, of.kind, of.stage, of.name)
    return (*of_what, *numbers, of.address, of.external_id, given, array(words), array(people), place)


def _contacts(id_: str, entry: Entry) -> Iterator[_Fields]:
    """In the order of `load_sql.COPY_CONTACTS`, without an id of their own."""
    for position, contact in enumerate(entry.details.contacts, 1):
        yield id_, contact.kind, contact.value, contact.person, str(position)


def _content(rows: Iterator[_Fields]) -> bytes:
    return "".join(map(_line, rows)).encode()


def _line(fields: _Fields) -> str:
    """Nearly every line needs no escape, which is seen at once in the whole of it."""
    line = "\t".join([field or "" for field in fields])
    plain = "\\" not in line and "\n" not in line and "\r" not in line
    if not plain or line.count("\t") != len(fields) - 1:
        line = "\t".join([(field or "").translate(_ESCAPES) for field in fields])
    return f"{line}\n"
