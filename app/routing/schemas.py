"""Assignment rules as data, and what is known about a customer when they are applied (R3)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.directory.model import Code, Directory, Entry, Localized
from app.fields import Form
from app.requests.channels import Channel
from app.staff.schemas import Codes
from app.topics.schemas import Line, Priority

Volume = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2, description="Planned, a month")]


class CustomerType(StrEnum):
    COMMERCIAL = "commercial"
    BUDGET = "budget"


class Party(StrEnum):
    """`unknown`: the request has no customer."""

    LEAD = "lead"
    CUSTOMER = "customer"
    UNKNOWN = "unknown"


class Target(StrEnum):
    """To whom a rule gives a request."""

    MANAGER = "manager"  # the customer's personal manager
    CONTRACT_UNIT = "contract_unit"  # the office that keeps the customer's contract
    UNIT = "unit"  # the unit that the rule names
    QUEUE = "queue"  # the unit of the topic's queue


class Conditions(Form):
    """All that are given must hold; an empty list asks nothing."""

    topics: Codes = ()
    regions: Codes = ()
    channels: tuple[Channel, ...] = ()
    customer_types: tuple[CustomerType, ...] = ()
    parties: tuple[Party, ...] = ()
    priorities: tuple[Priority, ...] = ()
    vip: bool | None = None
    volume_from: Volume | None = None
    volume_below: Volume | None = None


class RuleForm(Entry):
    """Rules are tried by `position`, then by code; the first that fits and finds its target decides."""

    title: Localized
    position: Annotated[int, Field(ge=1, le=10_000)]
    conditions: Conditions = Conditions()
    target: Target
    unit: Code | None = None
    line: Line | None = None
    priority: Priority | None = None

    @model_validator(mode="after")
    def _names_its_unit(self) -> Self:
        if (self.target is Target.UNIT) != (self.unit is not None):
            raise ValueError("unit is given with the target `unit`, and only with it")
        return self


class ProfileForm(Form):
    """How a customer is served."""

    region: Code | None = None
    customer_type: CustomerType | None = None
    planned_volume: Volume | None = None
    vip: bool = False
    manager: Code | None = None
    contract_unit: Code | None = None


RULES = Directory("assignment-rules", "crm.assignment_rule", RuleForm)
