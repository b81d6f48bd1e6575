"""What leaves when the processing system delivers: one event for all that a delivery brought.

A month brings thirty million transactions; an event for each would double what the feed writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.card_transactions.schemas import TransactionForm
from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType
from app.identity import new_id

ENTITY = "card-transaction-batch"


@dataclass(frozen=True, slots=True)
class TransactionsReceived:
    """Those that were new, up to a batch; `GET /card-transactions/{processing_id}` has each one."""

    processing_ids: Sequence[str]
    first_occurred_at: datetime
    last_occurred_at: datetime


RECEIVED = EventType(
    f"{ENTITY}.received", ENTITY, TransactionsReceived, "new transactions of the processing system"
)
TYPES = (RECEIVED,)


async def tell(unit: WriteUnit, transactions: Sequence[TransactionForm]) -> None:
    """Queued; at least one, all of them new. Each delivery is an entity of its own, so none waits."""
    moments = [transaction.occurred_at for transaction in transactions]
    ids = [transaction.processing_id for transaction in transactions]
    await publish(unit, RECEIVED, new_id(), TransactionsReceived(ids, min(moments), max(moments)))
