"""What leaves when a card is issued, blocked, limited, replaced: the processing system follows it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from app.cards.schemas import Card, CardEventKind, CardStatus, Limits
from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType

ENTITY = "card"


@dataclass(frozen=True, slots=True)
class CardChanged:
    """The card after the change; never its number."""

    id: UUID
    token: str
    customer_id: UUID
    contract: str | None
    status: CardStatus
    replaces: UUID | None
    limits: Limits


_SUMMARIES = {
    CardEventKind.ISSUED: "a new card",
    CardEventKind.BLOCKED: "no purchase is allowed any more",
    CardEventKind.UNBLOCKED: "purchases are allowed again",
    CardEventKind.LIMITED: "other limits hold",
    CardEventKind.REPLACED: "another card has taken its place",
}
_BY_KIND = {
    kind: EventType(f"card.{kind}", ENTITY, CardChanged, summary) for kind, summary in _SUMMARIES.items()
}
TYPES = tuple(_BY_KIND.values())


async def tell(unit: WriteUnit, kind: CardEventKind, card: Card) -> None:
    """Queued; the card is new or locked."""
    values = {name: getattr(card, name) for name in CardChanged.__slots__}
    await publish(unit, _BY_KIND[kind], card.id, CardChanged(**values), version=card.version)
