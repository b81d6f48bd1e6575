"""Fuel cards as clients see them (K1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from app.card_transactions.schemas import Amount, Occurred, Quantity, Token
from app.cards.numbers import CardNumber
from app.fields import Form, Opaque, Short


def _is_number(secret: SecretStr) -> SecretStr:
    CardNumber.parse(secret.get_secret_value())
    return secret


Number = Annotated[SecretStr, Field(min_length=12, max_length=30), AfterValidator(_is_number)]
Volume = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=3)]
Sum = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]
Names = Annotated[tuple[Short, ...], Field(max_length=200)]


class CardStatus(StrEnum):
    ACTIVE = "active"
    BLOCKED = "blocked"
    REPLACED = "replaced"


class CardEventKind(StrEnum):
    ISSUED = "issued"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    LIMITED = "limited"
    REPLACED = "replaced"


class Limits(Form):
    """What may be bought in a day and in a month (Moscow time), of what and where; left out: no limit."""

    daily_quantity: Volume | None = None
    monthly_quantity: Volume | None = None
    daily_amount: Sum | None = None
    monthly_amount: Sum | None = None
    products: Names = ()
    stations: Names = ()


class NumberForm(Form):
    """A body with a number in it: no error repeats what was sent."""

    model_config = ConfigDict(hide_input_in_errors=True)

    number: Number

    @property
    def card_number(self) -> CardNumber:
        return CardNumber.parse(self.number.get_secret_value())


class IssueForm(NumberForm):
    customer_id: UUID
    contract: Opaque | None = None
    limits: Limits = Limits()


class ReplaceForm(NumberForm):
    """The new card's number; owner, contract and limits go over."""

    reason: Short


class ReasonForm(Form):
    reason: Short


class CheckForm(Form):
    """A purchase that is about to be made."""

    token: Token
    station: Short
    product: Short
    quantity: Quantity
    amount: Amount
    occurred_at: Occurred | None = None


class Refusal(StrEnum):
    CARD_BLOCKED = "card-blocked"
    CARD_REPLACED = "card-replaced"
    PRODUCT = "product-not-allowed"
    STATION = "station-not-allowed"
    DAILY_QUANTITY = "daily-quantity-exceeded"
    MONTHLY_QUANTITY = "monthly-quantity-exceeded"
    DAILY_AMOUNT = "daily-amount-exceeded"
    MONTHLY_AMOUNT = "monthly-amount-exceeded"


@dataclass(frozen=True, slots=True)
class Card:
    """A card without its number. `replaces` is the card in whose place it was issued."""

    id: UUID
    token: str
    bin: str
    last_four: str
    customer_id: UUID
    contract: str | None
    status: CardStatus
    replaces: UUID | None
    limits: Limits
    version: int
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class CardEvent:
    version: int
    kind: CardEventKind
    at: datetime
    actor: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class CardWithHistory:
    card: Card
    history: Sequence[CardEvent]

    @property
    def audit_subject(self) -> str:
        return f"cards/{self.card.id}"


@dataclass(frozen=True, slots=True)
class CardsFound:
    items: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a card has bought so far, on the day and in the month of a purchase."""

    daily_quantity: Decimal
    monthly_quantity: Decimal
    daily_amount: Decimal
    monthly_amount: Decimal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a purchase may be made; if not, why."""

    allowed: bool
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Purchase:
    """A transaction of a card, as its history shows it."""

    processing_id: str
    station: str
    product: str
    quantity: Decimal
    amount: Decimal
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Purchases:
    """Newest first; `next` is the address of the next page, null on the last."""

    items: Sequence[Purchase]
    next: str | None
