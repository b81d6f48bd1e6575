"""How likely two cards are the same customer: a score and what it is made of. Pure.

Only requisites prove that two are one (0103); this offers what a person should look at.
"""

from __future__ import annotations

from rapidfuzz import fuzz

from app import cleansing
from app.customers.schemas import Customer, CustomerKind, Details, Likeness

# What each agreement adds to the belief that two cards are one; together at most 1. Alone enough to offer a
# card is the name of a company, or a number. Names of persons, phones and addresses are shared by many.
NAME = {CustomerKind.COMPANY: 0.6, CustomerKind.PERSON: 0.45}
PHONE, EMAIL, ADDRESS, NUMBER = 0.35, 0.3, 0.25, 0.5
OFFERED_FROM = 0.5
SAME_NAME_FROM = 0.75  # below it names are taken as different


def compare(one: Details | Customer, other: Customer) -> Likeness:
    """Of two cards of one kind."""
    name = names(one.name, other.name)
    address = addresses(one.address, other.address)
    shared = {contact.kind.value for contact in one.contacts} & {
        contact.kind.value for contact in other.contacts
    }
    values = {(c.kind.value, c.value) for c in one.contacts} & {
        (c.kind.value, c.value) for c in other.contacts
    }
    agreeing = {kind for kind, _ in values} & shared
    snils = one.snils is not None and one.snils == other.snils
    inn = one.inn is not None and one.inn == other.inn and None in (one.kpp, other.kpp)  # else a branch
    score = (
        NAME[one.kind] * (name if name >= SAME_NAME_FROM else 0)
        + PHONE * ("phone" in agreeing)
        + EMAIL * ("email" in agreeing)
        + ADDRESS * (address if address >= SAME_NAME_FROM else 0)
        + NUMBER * (snils or inn)
    )
    return Likeness(
        score=round(min(score, 1.0), 3),
        name=round(name, 3),
        address=round(address, 3),
        phone="phone" in agreeing,
        email="email" in agreeing,
        snils=snils,
        inn=inn,
    )


def names(one: str, other: str) -> float:
    """Of the words without legal forms, whatever their order; typing errors cost what they are."""
    return _tokens(" ".join(sorted(cleansing.words(one))), " ".join(sorted(cleansing.words(other))))


def addresses(one: str | None, other: str | None) -> float:
    return (
        0.0
        if one is None or other is None
        else _tokens(cleansing.address_key(one), cleansing.address_key(other))
    )


def _tokens(one: str, other: str) -> float:
    return fuzz.token_sort_ratio(one, other) / 100
