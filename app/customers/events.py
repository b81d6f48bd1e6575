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


REGISTERED = EventType("customer.registered", ENTITY, CustomerChanged, "a new card")
CHANGED = EventType("customer.changed", ENTITY, CustomerChanged, "a card has new content")
TYPES = (REGISTERED, CHANGED)


async def tell(unit: WriteUnit, kind: EventType[CustomerChanged], card: Customer) -> None:
    """Queued; the card is new or locked."""
    values = {name: getattr(card, name) for name in CustomerChanged.__slots__}
    await publish(unit, kind, card.id, CustomerChanged(**values), version=card.version)
