"""What leaves of card transactions: one event for all that came in since the last, none for each.

A month brings thirty million transactions; an event for each, written with it, would double what the feed
writes. So the worker tells of them in the sweep that gives points, each transaction once, within seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType
from app.identity import new_id

ENTITY = "card-transaction-batch"


@dataclass(frozen=True, slots=True)
class TransactionsReceived:
    """By the moments of the purchases; `GET /card-transactions/{processing_id}` has each one."""

    processing_ids: Sequence[str]
    first_occurred_at: datetime
    last_occurred_at: datetime


RECEIVED = EventType(
    f"{ENTITY}.received", ENTITY, TransactionsReceived, "new transactions of the processing system"
)
TYPES = (RECEIVED,)


async def tell(unit: WriteUnit, received: Sequence[tuple[str, datetime]]) -> None:
    """Queued; at least one, with when it occurred, in that order. Each batch is an entity of its own."""
    ids = [processing_id for processing_id, _ in received]
    await publish(unit, RECEIVED, new_id(), TransactionsReceived(ids, received[0][1], received[-1][1]))
