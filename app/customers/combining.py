"""What one card takes of another that is merged into it, and gives back when the merge is undone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.customers.schemas import Contact, Customer, Stage
from app.errors import FieldError, invalid

# Fields that only make sense together.
REQUISITES = ("inn", "kpp", "ogrn")
ALONE = ("snils", "address", "external_id")

Taken = Mapping[str, str | None]
ContactKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Combination:
    """Both cards after the merge. `taken`: fields that the target has from the source, with their values."""

    source: Customer
    target: Customer
    taken: Taken
    contacts: tuple[ContactKey, ...]


def combine(
    source: Customer, target: Customer, borrowed: Collection[ContactKey], at: datetime
) -> Combination:
    """What the target says stands; it takes what it lacks, and every contact that it does not have.

    `borrowed`: contacts that it has of cards merged into it before; these count as taken from this one too.
    Requisites are taken as a whole, and leave the source, as they are one card's only.
    Raises ProblemError (422) for a company and a person.
    """
    if source.kind is not target.kind:
        raise invalid([FieldError("/source_id", "other-kind", f"it is a {source.kind}, not a {target.kind}")])
    taken = _taken(source, target)
    held = {_key(contact) for contact in target.contacts}
    added = tuple(contact for contact in source.contacts if _key(contact) not in held)
    moved = dict.fromkeys(REQUISITES) if "inn" in taken else {}
    return Combination(
        source=_next(source, at, {**moved, "merged_into": target.id}),
        target=_next(target, at, {**taken, "contacts": (*target.contacts, *added)}),
        taken=taken,
        contacts=tuple(
            key for contact in source.contacts if (key := _key(contact)) not in held - set(borrowed)
        ),
    )


def _taken(source: Customer, target: Customer) -> Taken:
    names = [name for name in ALONE if getattr(target, name) is None and getattr(source, name) is not None]
    if target.inn is None and source.inn is not None:
        names += REQUISITES
    taken = {name: getattr(source, name) for name in names}
    if target.stage is Stage.LEAD and source.stage is Stage.CUSTOMER:
        taken["stage"] = Stage.CUSTOMER
    return taken


@dataclass(frozen=True, slots=True)
class Standing:
    """A merge as it was recorded. `shared`: contacts that other cards merged into the target have too."""

    taken: Taken
    contacts: Collection[ContactKey]
    shared: Collection[ContactKey]


def separate(source: Customer, target: Customer, merge: Standing, at: datetime) -> Combination:
    """The cards as they were. What was changed on the target since then stays with it."""
    gone = set(merge.contacts) - set(merge.shared)
    back = _given_back(target, merge.taken)
    requisites = {name: merge.taken[name] for name in REQUISITES} if "inn" in merge.taken else {}
    kept = tuple(contact for contact in target.contacts if _key(contact) not in gone)
    return Combination(
        source=_next(source, at, {**requisites, "merged_into": None}),
        target=_next(target, at, {**back, "contacts": kept}),
        taken=back,
        contacts=tuple(gone),
    )


def _given_back(target: Customer, taken: Taken) -> dict[str, Any]:
    """Fields to be emptied: those that still say what was taken; requisites together, by their INN."""
    back: dict[str, Any] = {
        name: None for name in ALONE if name in taken and getattr(target, name) == taken[name]
    }
    if "inn" in taken and target.inn == taken["inn"]:
        back |= dict.fromkeys(REQUISITES)
    if "stage" in taken:
        back["stage"] = Stage.LEAD
    return back


def _key(contact: Contact) -> ContactKey:
    return contact.kind.value, contact.value


def _next(card: Customer, at: datetime, changes: Mapping[str, Any]) -> Customer:
    return replace(card, version=card.version + 1, updated_at=at, **changes)
