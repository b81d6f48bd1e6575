"""Stations, fuel cards and their transactions, reproducible from a seed number. Pure.

Row n is the same however many there are, so a larger base contains the smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from stdnum import luhn

from app.cards.numbers import TOKEN_PREFIX, CardNumber
from app.seeding import names

BLOCK = 1000  # rows that share one generator
BIN = "700601"  # of the closed range that fuel cards of one issuer share
# Transactions of a quarter, evenly: they fall into three partitions.
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = timedelta(days=90)
PRICES = {
    "AI-92": Decimal("52.40"),
    "AI-95": Decimal("57.80"),
    "AI-98": Decimal("71.10"),
    "DT": Decimal("69.90"),
}
_PRODUCTS = ("AI-92", "AI-95", "AI-95", "DT", "DT", "AI-98")
_STEP = 104_729  # prime: transactions go round all cards without following their order
_MOMENTS = 1_000_003  # prime too: of the period; beyond a million transactions they are shared
_OF_COMPANIES = 5  # each fifth customer of the seed is a person


@dataclass(frozen=True, slots=True)
class Station:
    code: str
    known_as: str
    title: str
    region: str


@dataclass(frozen=True, slots=True)
class FuelCard:
    """`owner`: the customer's external id in the base of the same seed."""

    number: CardNumber
    token: str
    owner: str


@dataclass(frozen=True, slots=True)
class Transaction:
    processing_id: str
    card_token: str
    station: str
    product: str
    quantity: Decimal
    amount: Decimal
    occurred_at: datetime


def stations(count: int) -> Iterator[Station]:
    regions = names.REGION_CODES
    for number in range(1, count + 1):
        yield Station(
            f"azs-{number:04}", f"АЗС-{number:04}", f"АЗС № {number}", regions[number % len(regions)]
        )


def cards(seed: int, count: int, owners: int, first: int = 0) -> Iterator[FuelCard]:
    """Cards `first` to `first + count - 1`, spread over the companies among so many seeded customers."""
    companies = companies_among(owners)
    for number in range(first, first + count):
        yield FuelCard(
            card_number(seed, number), token(seed, number), f"erp-{company_number(number % companies)}"
        )


def companies_among(customers: int) -> int:
    return max(1, customers * (_OF_COMPANIES - 1) // _OF_COMPANIES)


def company_number(place: int) -> int:
    """The number of the n-th company among the seeded customers, of whom each fifth is a person."""
    share = _OF_COMPANIES - 1
    return place // share * _OF_COMPANIES + place % share + 1


def card_number(seed: int, number: int) -> CardNumber:
    digits = f"{BIN}{seed % 1000:03}{number:09}"
    return CardNumber(digits + luhn.calc_check_digit(digits))


def token(seed: int, number: int) -> str:
    """As random as any, to those who do not know the seed; invented cards need no more."""
    return TOKEN_PREFIX + hashlib.sha256(f"{seed}:card:{number}".encode()).hexdigest()[:24]


def transactions(seed: int, count: int, cards_there: int, stations_there: int) -> Iterator[Transaction]:
    """Spread over the period at any count, and so not in the order of their time."""
    for block in range((count + BLOCK - 1) // BLOCK):
        random = Random(f"{seed}:feed:{block}")  # noqa: S311  # reproducible is the point
        for number in range(block * BLOCK, min(count, (block + 1) * BLOCK)):
            moment = FIRST_DAY + PERIOD * (number * _STEP % _MOMENTS) / _MOMENTS
            card = token(seed, number * _STEP % cards_there)
            station = f"АЗС-{random.randrange(stations_there) + 1:04}"
            yield _transaction(random, f"seed:{seed}:{number}", card, station, moment)


def _transaction(random: Random, id_: str, card: str, station: str, moment: datetime) -> Transaction:
    product = random.choice(_PRODUCTS)
    quantity = Decimal(random.randrange(5_000, 90_000)) / 1000
    return Transaction(
        id_,
        card,
        station,
        product,
        quantity,
        (quantity * PRICES[product]).quantize(Decimal("0.01")),
        moment,
    )
