"""Promotions as data: what is offered, from when until when, and to whom (C6)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from app.customers.schemas import CustomerKind, Stage
from app.directory.model import Directory, Entry, Localized
from app.fields import Moment
from app.routing.schemas import CustomerType
from app.staff.schemas import Codes


class PromotionForm(Entry):
    """It holds from `starts`, until before `ends`, for customers of whom all that is listed is so.

    An empty list asks nothing. `regions` and `customer_types` are those of the customer's profile.
    """

    title: Localized
    text: Localized
    starts: Moment
    ends: Moment
    kinds: Annotated[tuple[CustomerKind, ...], Field(max_length=len(CustomerKind))] = ()
    stages: Annotated[tuple[Stage, ...], Field(max_length=len(Stage))] = ()
    customer_types: Annotated[tuple[CustomerType, ...], Field(max_length=len(CustomerType))] = ()
    regions: Codes = ()

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends <= self.starts:
            raise ValueError("ends must lie after starts")
        return self


PROMOTIONS = Directory("promotions", "crm.promotion", PromotionForm)
