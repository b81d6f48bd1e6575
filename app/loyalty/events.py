"""What leaves when points are redeemed, corrected or reversed. What the feed accrues is in the account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType
from app.loyalty.schemas import EntryKind

ENTITY = "loyalty-account"


@dataclass(frozen=True, slots=True)
class PointsBooked:
    """`points`: what the customer gained; `balance`: what there is now."""

    customer_id: UUID
    entry_id: UUID
    kind: EntryKind
    points: Decimal
    balance: Decimal
    reference: str


BOOKED = EventType("loyalty-account.booked", ENTITY, PointsBooked, "points were redeemed, corrected, …")
TYPES = (BOOKED,)


async def tell(unit: WriteUnit, booked: PointsBooked) -> None:
    """Queued; the account is locked."""
    await publish(unit, BOOKED, booked.customer_id, booked)
