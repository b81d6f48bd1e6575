"""Transactions of the processing system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.cards.numbers import is_card_number
from app.fields import Form, Moment, Opaque, Short, within_years

MAX_BATCH = 1000
# PostgreSQL's timestamptz would take more; a transaction outside of these years is a mistake of its sender.
FIRST_YEAR, LAST_YEAR = 2000, 2100


def _no_card_number(text: str) -> str:
    if is_card_number(text.replace(" ", "").replace("-", "")):
        raise ValueError("this is a card number; send the card's token")
    return text


Token = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_.:\- ]{4,100}$"), AfterValidator(_no_card_number)
]
Quantity = Annotated[Decimal, Field(max_digits=12, decimal_places=3)]
Amount = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]
Occurred = Annotated[Moment, AfterValidator(partial(within_years, first=FIRST_YEAR, last=LAST_YEAR))]


class TransactionForm(Form):
    """One transaction; it is also what is stored."""

    processing_id: Opaque
    card_token: Token
    station: Short
    product: Short
    quantity: Quantity
    amount: Amount
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    occurred_at: Occurred


class BatchForm(Form):
    transactions: Annotated[tuple[TransactionForm, ...], Field(min_length=1, max_length=MAX_BATCH)]


class Receipt(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Received:
    processing_id: str
    status: Receipt


@dataclass(frozen=True, slots=True)
class BatchReceived:
    """`accepted` counts the new ones; `duplicates` names those that were there already, the same."""

    accepted: int
    duplicates: Sequence[str]
