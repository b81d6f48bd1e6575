"""What leaves when a customer's card is made or changed. Contacts stay behind the API's access rules."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.customers.schemas import Customer, CustomerKind, Stage
from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType

ENTITY = "customer"


@dataclass(frozen=True, slots=True)
class CustomerChanged:
    """`GET /customers/{id}` has the whole card."""

    id: UUID
    kind: CustomerKind
    stage: Stage
    name: str
    inn: str | None
    kpp: str | None
    ogrn: str | None
    external_id: str | None


@dataclass(frozen=True, slots=True)
class CustomerMerged:
    """`id` became part of `other_id`, or is a card of its own again."""

    id: UUID
    other_id: UUID


REGISTERED = EventType("customer.registered", ENTITY, CustomerChanged, "a new card")
CHANGED = EventType("customer.changed", ENTITY, CustomerChanged, "a card has new content")
MERGED = EventType("customer.merged", ENTITY, CustomerMerged, "a card became part of another; it leads there")
SEPARATED = EventType("customer.separated", ENTITY, CustomerMerged, "a merge was undone")
TYPES = (REGISTERED, CHANGED, MERGED, SEPARATED)


async def tell(unit: WriteUnit, kind: EventType[CustomerChanged], card: Customer) -> None:
    """Queued; the card is new or locked."""
    values = {name: getattr(card, name) for name in CustomerChanged.__slots__}
    await publish(unit, kind, card.id, CustomerChanged(**values), version=card.version)


async def tell_both(
    unit: WriteUnit, kind: EventType[CustomerMerged], source: Customer, target: Customer
) -> None:
    """Queued: of the card that was merged or separated, and of the other's new content."""
    await publish(unit, kind, source.id, CustomerMerged(source.id, target.id), version=source.version)
    await tell(unit, CHANGED, target)
