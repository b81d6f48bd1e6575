"""Contracts: terms, what they allow to be ordered, how they are prolonged (S3, S4)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from app.deals.schemas import Payment
from app.directory.model import Code
from app.fields import Day, Form, Long, Opaque, Short
from app.records.model import Filter, Noun, Record

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Price = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]
Quantity = Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=3)]


class ContractStatus(StrEnum):
    ACTIVE = "active"
    TERMINATED = "terminated"


class Prolongation(Form):
    """For how long the contract goes on each time; if automatic, so many days before its end."""

    automatic: bool
    months: Annotated[int, Field(ge=1, le=120)]
    notice_days: Annotated[int, Field(ge=0, le=365)] = 0


class Conditions(Form):
    """What is agreed."""

    unit: Code = Field(description="Who serves the contract")
    signed_on: Day
    valid_from: Day
    valid_until: Day | None = Field(None, description="The last day; null: without end")
    prolongation: Prolongation | None = None
    payment: Payment = Payment.PREPAID
    deferral_days: Annotated[int, Field(ge=0, le=365)] = 0
    credit_limit: Price | None = None
    currency: Currency = "RUB"
    comment: Long | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until must not be before valid_from")
        if self.payment is Payment.PREPAID and self.deferral_days:
            raise ValueError("there is no deferral with prepayment")
        return self


class ContractForm(Conditions):
    customer_id: UUID
    number: Opaque
    deal_id: UUID | None = None


class Contract(Record):
    number: str
    status: ContractStatus
    deal_id: UUID | None
    unit: str
    signed_on: date
    valid_from: date
    valid_until: date | None
    prolongation: Prolongation | None
    payment: Payment
    deferral_days: int
    credit_limit: Decimal | None
    currency: str
    comment: str | None

    @property
    def state(self) -> str:
        return self.status


class ContractFilter(Filter):
    status: ContractStatus | None = None
    number: Opaque | None = None
    unit: Code | None = None


class AllowedProduct(Form):
    """What may be ordered, and for how much a unit of measure. `max_quantity`: of one order."""

    product: Code
    price: Price
    max_quantity: Quantity | None = None


class ProductsForm(Form):
    """The whole list, after the contract and its agreements. `agreement` names the one that changed it."""

    agreement: Short | None = None
    products: Annotated[tuple[AllowedProduct, ...], Field(max_length=5000)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        codes = [each.product for each in self.products]
        if len(set(codes)) < len(codes):
            raise ValueError("a product stands in the list twice")
        return self


class ProlongForm(Form):
    """`until`: the new last day; left out: by the contract's own terms."""

    until: Day | None = None
    note: Short | None = None


class EndForm(Form):
    note: Short


CONTRACTS = Noun(
    "contracts",
    "contract",
    "contract",
    "crm.contract",
    Contract,
    ContractFilter,
    {
        "concluded": "a contract was concluded",
        "changed": "the conditions of a contract were changed",
        "allowed": "what may be ordered under a contract was changed",
        "prolonged": "a contract goes on",
        "terminated": "a contract was ended",
    },
)
