"""Customers as they come in (forms) and as they are (cards)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from app.fields import Form, Opaque, Raw, Short

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
    snils: Raw | None = None
    address: Raw | None = None
    external_id: Opaque | None = None
    contacts: Contacts = ()


class CustomerChange(Form):
    """Fields that are not sent stay as they are; null clears; contacts are replaced as a whole."""

    stage: Stage = Stage.CUSTOMER
    name: Raw = ""
    inn: Raw | None = None
    kpp: Raw | None = None
    ogrn: Raw | None = None
    snils: Raw | None = None
    address: Raw | None = None
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


@dataclass(frozen=True)  # no slots: see `app.database.rows`
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
    snils: str | None
    address: str | None
    external_id: str | None
    contacts: Sequence[Contact]
    given: Mapping[str, str]


@dataclass(frozen=True)  # no slots: see `app.database.rows`
class Customer:
    """A card. `merged_into`: the card that it became part of."""

    id: UUID
    kind: CustomerKind
    stage: Stage
    name: str
    inn: str | None
    kpp: str | None
    ogrn: str | None
    snils: str | None
    address: str | None
    external_id: str | None
    contacts: Sequence[Contact]
    given: Mapping[str, str]
    version: int
    created_at: datetime
    updated_at: datetime
    merged_into: UUID | None = None


MatchedBy = Literal[
    "inn", "ogrn", "snils", "phone", "email", "external_id", "address", "card", "contract", "deal", "name"
]


@dataclass(frozen=True, slots=True)
class Match:
    """A card that a search found, by what, and how well (1 is exact)."""

    customer: Customer
    matched: MatchedBy
    score: float


@dataclass(frozen=True, slots=True)
class Matches:
    """Nothing that was committed more than `staleness_seconds` ago is missing (0: from the primary)."""

    items: Sequence[Match]
    staleness_seconds: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """How likely two cards are one customer, and what agrees (`score`, `name`, `address`: from 0 to 1)."""

    score: float
    name: float
    address: float
    phone: bool
    email: bool
    snils: bool
    inn: bool


@dataclass(frozen=True, slots=True)
class Likely:
    """A card that is probably the same customer."""

    customer: Customer
    likeness: Likeness

    @property
    def audit_subject(self) -> str:
        return f"customers/{self.customer.id}"


@dataclass(frozen=True, slots=True)
class LikelyCards:
    """Best first."""

    items: Sequence[Likely]


@dataclass(frozen=True, slots=True)
class Checked:
    """`existing` is the address of the card that a new one would double and that it is refused for."""

    existing: str | None
    items: Sequence[Likely]


class MergeForm(Form):
    """The card that becomes part of the one in the address, and why."""

    source_id: UUID
    reason: Short


@dataclass(frozen=True, slots=True)
class Merge:
    """What was done. `rows`: how many moved, by table and column; `fields` and `contacts` were taken over."""

    id: UUID
    source_id: UUID
    target_id: UUID
    reason: str
    actor: str
    at: datetime
    rows: Mapping[str, int]
    contacts: int
    fields: Sequence[str]
    undone_at: datetime | None
    undone_by: str | None


@dataclass(frozen=True, slots=True)
class Merges:
    """Newest first; at most 200."""

    items: Sequence[Merge]
