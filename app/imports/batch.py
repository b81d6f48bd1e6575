"""Rows of one batch that speak of the same customer become one entry. Pure.

The same rules as for cards in the base (app/imports/repository.py): INN and KPP; else the external id, where
not both have an INN; else the same name and a contact in common. What comes first stands; later rows fill
what is missing and add contacts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.customers.schemas import Details, Stage
from app.errors import FieldError
from app.imports.rows import rejection
from app.imports.schemas import Rejection, Row

Key = tuple[str, ...]  # of plain texts: the hash of an enum's member is computed in Python


@dataclass(slots=True)
class Entry:
    """A customer of the batch; `rows` counts the lines that spoke of it, `useful` those with news."""

    details: Details
    rows: int = 1
    useful: int = 1


@dataclass(slots=True)
class Batch:
    """`owners`: the INN of each OGRN, in the batch and of those in the base that were known."""

    owners: dict[str, str]
    entries: list[Entry] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def gather(results: Sequence[Row | Rejection], registered: Mapping[str, str]) -> Batch:
    """`registered`: the INN of each OGRN in the batch that the base knows already."""
    batch = Batch(dict(registered))
    known = _Known(by_contact=any(map(_needs_contact, results)))
    for result in results:
        if isinstance(result, Rejection):
            batch.rejections.append(result)
        elif (conflict := _conflict(result.details, batch.owners)) is not None:
            batch.rejections.append(rejection(result.number, result.line, [conflict]))
        else:
            _add(batch, known, result.details)
    return batch


def _conflict(details: Details, owners: dict[str, str]) -> FieldError | None:
    """Takes note of the OGRN's owner."""
    if details.ogrn is None or details.inn is None:
        return None
    owner = owners.setdefault(details.ogrn, details.inn)
    return (
        None if owner == details.inn else FieldError("/ogrn", "ogrn-of-another", f"it belongs to INN {owner}")
    )


@dataclass(slots=True)
class _Known:
    """Entries by their keys; by their contacts only where a row of the batch can be known by nothing else."""

    by_contact: bool
    entries: dict[Key, Entry] = field(default_factory=dict)


def _needs_contact(result: Row | Rejection) -> bool:
    return isinstance(result, Row) and result.details.inn is None and result.details.external_id is None


def _add(batch: Batch, known: _Known, details: Details) -> None:
    entry = _find(known.entries, details)
    if entry is None:
        entry = Entry(details)
        batch.entries.append(entry)
    else:
        merged = merge(entry.details, details)
        entry.rows += 1
        entry.useful += merged != entry.details
        entry.details = merged
    for key in _keys(entry.details, by_contact=known.by_contact):
        known.entries.setdefault(key, entry)


def _find(known: Mapping[Key, Entry], details: Details) -> Entry | None:
    if details.inn is not None and (entry := known.get(_inn_key(details))) is not None:
        return entry
    if details.external_id is not None:
        entry = known.get(_external_key(details))
        both = entry is not None and entry.details.inn is not None and details.inn is not None
        return None if both else entry
    if details.inn is None:
        return next((known[key] for key in _contact_keys(details) if key in known), None)
    return None


def _keys(details: Details, *, by_contact: bool) -> list[Key]:
    keys = _contact_keys(details) if by_contact else []
    if details.inn is not None:
        keys.append(_inn_key(details))
    if details.external_id is not None:
        keys.append(_external_key(details))
    return keys


def _inn_key(details: Details) -> Key:
    return ("inn", details.inn or "", details.kpp or "")


def _external_key(details: Details) -> Key:
    return ("external_id", details.kind.value, details.external_id or "")


def _contact_keys(details: Details) -> list[Key]:
    of = ("contact", details.kind.value, details.name)
    return [(*of, contact.kind.value, contact.value) for contact in details.contacts]


def merge(first: Details, second: Details) -> Details:
    """What the first says stands; the second fills what is missing and adds its contacts."""
    takes_inn = first.inn is None
    held = {(contact.kind, contact.value) for contact in first.contacts}
    added = tuple(contact for contact in second.contacts if (contact.kind, contact.value) not in held)
    return replace(
        first,
        stage=Stage.CUSTOMER if Stage.CUSTOMER in (first.stage, second.stage) else first.stage,
        inn=second.inn if takes_inn else first.inn,
        kpp=second.kpp if takes_inn else first.kpp,
        ogrn=first.ogrn or second.ogrn,
        snils=first.snils or second.snils,
        address=first.address or second.address,
        external_id=first.external_id or second.external_id,
        contacts=(*first.contacts, *added),
    )
