"""The single window: everything about a customer in one call and one round trip to the database (C6).

Which sections somebody sees is read off the access policy, and which of their rows off row-level security.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from app.access.operations import Need
from app.access.policy import Action, Reach, Resource
from app.access.principal import Access
from app.customers.repository import CARD, customer
from app.customers.schemas import Customer
from app.customers.sections import (
    SECTIONS,
    BookingRow,
    CallRow,
    CardRow,
    ContractRow,
    NoteRow,
    PointsRow,
    ProfileRow,
    PromotionRow,
    RequestRow,
    Section,
    StepRow,
    TransactionRow,
)
from app.database.database import Database, Found, Freshness
from app.database.units import READ_GATE, Read


@dataclass(frozen=True, slots=True)
class Window:
    """A card and what belongs to it. A section is null for whom it is not meant. `withheld` names those."""

    customer: Customer
    profile: Sequence[ProfileRow] | None = None
    open_requests: Sequence[RequestRow] | None = None
    closed_requests: Sequence[RequestRow] | None = None
    notes: Sequence[NoteRow] | None = None
    calls: Sequence[CallRow] | None = None
    bookings: Sequence[BookingRow] | None = None
    contracts: Sequence[ContractRow] | None = None
    deals: Sequence[StepRow] | None = None
    orders: Sequence[StepRow] | None = None
    claims: Sequence[StepRow] | None = None
    cards: Sequence[CardRow] | None = None
    transactions: Sequence[TransactionRow] | None = None
    points: Sequence[PointsRow] | None = None
    promotions: Sequence[PromotionRow] | None = None
    withheld: Sequence[str] = field(default=())

    @property
    def audit_subject(self) -> str:
        return f"customers/{self.customer.id}"


def visible(access: Access) -> frozenset[str]:
    """The sections that a principal may see. Pure."""
    inside = any(
        rule.resource is Resource.CUSTOMER and rule.reach is not Reach.SELF and Action.READ in rule.actions
        for rule in access.rules
    )
    return frozenset(
        section.name
        for section in SECTIONS
        if access.allows(Need(section.resource, Action.READ)) and (inside or not section.inside)
    )


def without_card(whole: Window) -> Window:
    """For whom may be told of what belongs to the card and nothing of the card: its name alone stays."""
    bare = dict.fromkeys(("inn", "kpp", "ogrn", "snils", "address", "external_id"))
    return replace(whole, customer=replace(whole.customer, **bare, contacts=(), given={}))  # type: ignore[arg-type]


@cache
def _statement(names: frozenset[str]) -> Read[Window]:
    """One statement for each set of sections; roles are few."""
    shown = [section for section in SECTIONS if section.name in names]
    selected = "".join(
        f",\n coalesce((SELECT jsonb_agg(to_jsonb(s)) FROM ({section.sql}) AS s), '[]')::text"
        for section in shown
    )
    makers = [_rows(section) for section in shown]
    withheld = tuple(section.name for section in SECTIONS if section.name not in names)

    def make(row: TupleRow) -> Window:
        columns = len(row) - len(shown)
        parts = {
            section.name: adapter.validate_json(text)
            for section, adapter, text in zip(shown, makers, row[columns:], strict=True)
        }
        return Window(customer(row[:columns]), **parts, withheld=withheld)

    return Read(f"SELECT {CARD}{selected} FROM crm.customer c WHERE {READ_GATE} AND c.id = %(id)s", make)


def _rows(section: Section) -> TypeAdapter[Any]:
    return TypeAdapter(tuple[section.row, ...])  # type: ignore[name-defined]


async def window(
    database: Database, id_: UUID, freshness: Freshness, names: Iterable[str]
) -> tuple[Window, Found[Window]]:
    """Raises ProblemError: not-found."""
    found = await database.read(_statement(frozenset(names)), {"id": id_}, freshness)
    return found.one("customer"), found
