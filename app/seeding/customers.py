"""Customers of a base of any size, reproducible from a seed number. Pure.

Row n is the same whatever the size of the base, so a larger base contains the smaller one. Some rows speak
again of a customer before them, as files from several systems do; some are untidy.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import orjson

from app.seeding import names

BLOCK = 1000  # rows that share one generator: making one costs more than making a row
PERSONS, AGAIN, UNTIDY = 0.2, 0.02, 0.1
_NUMBERS = 10**7
_STRIDE = 7_654_321  # coprime to _NUMBERS: consecutive customers get scattered numbers
_COMPANY_WEIGHTS = (2, 4, 10, 3, 5, 9, 4, 6, 8)  # Federal Tax Service, order of 29 June 2012
_PERSON_WEIGHTS = ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8))


def rows(seed: int, count: int, first: int = 0) -> Iterator[bytes]:
    """NDJSON lines of customers `first` to `first + count - 1`, as a bulk load takes them."""
    for block in range(first // BLOCK, (first + count + BLOCK - 1) // BLOCK):
        random = Random(f"{seed}:{block}")  # noqa: S311  # reproducible is the point
        for number in range(block * BLOCK, (block + 1) * BLOCK):
            row = _row(random, number)
            if first <= number < first + count:
                yield orjson.dumps(row)


def _row(random: Random, number: int) -> dict[str, object]:
    again = random.random() < AGAIN and number >= BLOCK
    of = random.randrange(number) if again else number
    make = _person if of % round(1 / PERSONS) == 0 else _company
    row = make(random, of)
    if random.random() < UNTIDY:
        row["name"] = names.untidy(random, str(row["name"]))
    return row


def _company(random: Random, number: int) -> dict[str, object]:
    region = region_of(number)
    kpp = f"{region}{number % 100:02}01001"
    return {
        "kind": "company",
        "name": names.company(random),
        "inn": company_inn(region, number),
        "kpp": kpp,
        "ogrn": company_ogrn(region, number),
        "external_id": f"erp-{number}",
        "contacts": [_phone(random), {"kind": "email", "value": _email(random)}],
    }


def _person(random: Random, number: int) -> dict[str, object]:
    return {
        "kind": "person",
        "name": names.person(random),
        "inn": person_inn(region_of(number), number),
        "external_id": f"loyalty-{number}",
        "contacts": [_phone(random)],
    }


def region_of(number: int) -> str:
    """Beyond ten million the scattered numbers repeat, in another region."""
    regions = names.REGION_CODES
    return regions[(number + number // _NUMBERS) % len(regions)]


def company_inn(region: str, number: int) -> str:
    digits = f"{region}{number * _STRIDE % _NUMBERS:07}"
    return digits + _check_digit(digits, _COMPANY_WEIGHTS)


def person_inn(region: str, number: int) -> str:
    digits = f"{region}0{number * _STRIDE % _NUMBERS:07}"
    for weights in _PERSON_WEIGHTS:
        digits += _check_digit(digits, weights)
    return digits


def company_ogrn(region: str, number: int) -> str:
    digits = f"1{number // _NUMBERS % 25:02}{region}{number * _STRIDE % _NUMBERS:07}"
    return f"{digits}{int(digits) % 11 % 10}"


def _check_digit(digits: str, weights: tuple[int, ...]) -> str:
    return str(sum(int(d) * weight for d, weight in zip(digits, weights, strict=True)) % 11 % 10)


def _phone(random: Random) -> dict[str, object]:
    code, number = f"{random.randrange(910, 920)}", f"{random.randrange(10**7):07}"
    written = (f"+7{code}{number}", f"8{code}{number}", f"8 ({code}) {number[:3]}-{number[3:5]}-{number[5:]}")
    return {"kind": "phone", "value": random.choice(written)}


def _email(random: Random) -> str:
    return f"{random.choice(names.MAILBOXES)}{random.randrange(10**6)}@company{random.randrange(5000)}.ru"
