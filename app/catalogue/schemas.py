"""Products, and the catalogue: the part of them that a customer's contracts allow (S4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from app.directory.model import Code, Directory, Entry, Localized
from app.fields import Short


class Packaging(StrEnum):
    PACKED = "packed"  # barrels, buckets
    BULK = "bulk"  # road or rail tanks


class Measure(StrEnum):
    PIECE = "piece"
    LITRE = "litre"
    KILOGRAM = "kilogram"
    TONNE = "tonne"


class ProductForm(Entry):
    title: Localized
    kind: Short
    plant: Short
    line: Short
    standards: Annotated[tuple[Short, ...], Field(max_length=50)] = ()
    viscosity: Short | None = None
    packaging: Packaging
    container: Short
    measure: Measure


PRODUCTS = Directory("catalogue-products", "crm.catalogue_product", ProductForm)

# By what the catalogue is filtered and counted; `standards` is a list, all others are one value.
FACETS = ("kind", "plant", "line", "standard", "viscosity", "packaging", "container")
Chosen = Annotated[tuple[Short, ...], Field(max_length=50)]


class CatalogueFilter(BaseModel):
    """Of a contract or a customer's contracts; within a facet any of the values, of all facets together."""

    contract_id: UUID | None = None
    customer_id: UUID | None = Field(None, description="Without it and a contract: the asker's own company")
    kind: Chosen = ()
    plant: Chosen = ()
    line: Chosen = ()
    standard: Chosen = ()
    viscosity: Chosen = ()
    packaging: Chosen = ()
    container: Chosen = ()
    after: Code | None = Field(None, description="The last product of the page before")
    limit: int = Field(50, ge=1, le=200)


@dataclass(frozen=True, slots=True)
class Offer:
    """Under which contract a product may be had, for how much a unit of measure."""

    contract_id: UUID
    contract: str
    price: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class CatalogueItem:
    product: str
    title: Localized
    kind: str
    plant: str
    line: str
    standards: Sequence[str]
    viscosity: str | None
    packaging: Packaging
    container: str
    measure: Measure
    offers: Sequence[Offer]


@dataclass(frozen=True, slots=True)
class FacetValue:
    """How many products there would be with it, all other facets as chosen."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`next` is the address of the next page, null on the last."""

    items: Sequence[CatalogueItem]
    facets: dict[str, Sequence[FacetValue]]
    next: str | None
