"""Customers as they come in (forms) and as they are (cards)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from app.fields import Form, Opaque, Raw

MAX_CONTACTS = 50


class CustomerKind(StrEnum):
    COMPANY = "company"
    PERSON = "person"


class Stage(StrEnum):
    LEAD = "lead"
    CUSTOMER = "customer"


class ContactKind(StrEnum):
    PHONE = "phone"
    EMAIL = "email"


class ContactForm(Form):
    kind: ContactKind
    value: Raw
    person: Raw | None = None


Contacts = Annotated[tuple[ContactForm, ...], Field(max_length=MAX_CONTACTS)]


class CustomerForm(Form):
    """A new customer, as entered."""

    kind: CustomerKind
    stage: Stage = Stage.CUSTOMER
    name: Raw
    inn: Raw | None = None
    kpp: Raw | None = None
    ogrn: Raw | None = None
    external_id: Opaque | None = None
    contacts: Contacts = ()


class CustomerChange(Form):
    """Fields that are not sent stay as they are; null clears; contacts are replaced as a whole."""

    stage: Stage = Stage.CUSTOMER
    name: Raw = ""
    inn: Raw | None = None
    kpp: Raw | None = None
    ogrn: Raw | None = None
    external_id: Opaque | None = None
    contacts: Contacts = ()


class Requisites(Protocol):
    """What makes two companies the same."""

    @property
    def inn(self) -> str | None: ...
    @property
    def kpp(self) -> str | None: ...
    @property
    def ogrn(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Contact:
    kind: ContactKind
    value: str
    person: str | None


@dataclass(frozen=True, slots=True)
class Details:
    """A customer after cleansing. `given` has what was entered, by field, where cleansing changed it."""

    kind: CustomerKind
    stage: Stage
    name: str
    inn: str | None
    kpp: str | None
    ogrn: str | None
    external_id: str | None
    contacts: Sequence[Contact]
    given: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Customer:
    """A card."""

    id: UUID
    kind: CustomerKind
    stage: Stage
    name: str
    inn: str | None
    kpp: str | None
    ogrn: str | None
    external_id: str | None
    contacts: Sequence[Contact]
    given: Mapping[str, str]
    version: int
    created_at: datetime
    updated_at: datetime


MatchedBy = Literal["inn", "ogrn", "phone", "email", "external_id", "name"]


@dataclass(frozen=True, slots=True)
class Match:
    """A card that a search found, by what, and how well (1 is exact)."""

    customer: Customer
    matched: MatchedBy
    score: float

    @property
    def audit_subject(self) -> str:
        return f"customers/{self.customer.id}"


@dataclass(frozen=True, slots=True)
class Matches:
    items: Sequence[Match]


@dataclass(frozen=True, slots=True)
class Checked:
    """`existing` is the address of the card that a new one would double."""

    existing: str | None
