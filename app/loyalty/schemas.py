"""Points of the loyalty programme (K3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.directory.model import Directory, Entry, Localized
from app.fields import Form, Moment, Opaque, Short

Points = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]
Change = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
Rate = Annotated[Decimal, Field(ge=0, le=1000, max_digits=8, decimal_places=4)]
Names = Annotated[tuple[Short, ...], Field(max_length=200)]


class EntryKind(StrEnum):
    ACCRUAL = "accrual"
    REDEMPTION = "redemption"
    CORRECTION = "correction"
    TRANSFER = "transfer"
    REVERSAL = "reversal"


class Basis(StrEnum):
    """What a rule's rate is for: a rouble or a litre (piece)."""

    AMOUNT = "amount"
    QUANTITY = "quantity"


class AccrualRuleForm(Entry):
    """Rules are tried by `position`, then by code; the first that fits decides. Empty lists: any."""

    title: Localized
    position: Annotated[int, Field(ge=1, le=10_000)]
    products: Names = ()
    stations: Names = ()
    basis: Basis
    rate: Rate
    valid_from: Moment | None = None
    valid_until: Moment | None = None

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("valid_until must lie after valid_from")
        return self


class RedemptionForm(Form):
    """`reference` is the sender's own: the same one is paid once."""

    points: Points
    reference: Opaque
    note: Short | None = None


class CorrectionForm(Form):
    """What the customer gains, or loses if negative, and why."""

    points: Change
    reference: Opaque
    reason: Short

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.points:
            raise ValueError("points must not be zero")
        return self


class ReversalForm(Form):
    reason: Short


@dataclass(frozen=True, slots=True)
class Account:
    """What a customer has."""

    customer_id: UUID
    balance: Decimal

    @property
    def audit_subject(self) -> str:
        return f"loyalty-accounts/{self.customer_id}"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry as its customer sees it: `points` is what the customer gained by it."""

    id: UUID
    kind: EntryKind
    points: Decimal
    reference: str
    reverses: UUID | None
    rule: str | None
    occurred_at: datetime
    created_at: datetime
    actor: str
    note: str | None

    @property
    def audit_subject(self) -> str:
        return f"loyalty-entries/{self.id}"


ACCRUAL_RULES = Directory("accrual-rules", "crm.accrual_rule", AccrualRuleForm)
