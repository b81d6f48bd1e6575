"""What leaves when a request misses a deadline: once for its reaction, its solution, each wait of ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType
from app.topics.schemas import Priority

ENTITY = "request"


@dataclass(frozen=True, slots=True)
class DeadlineMissed:
    """Whose the request is now, and when it was due."""

    id: UUID
    customer_id: UUID | None
    topic: str
    queue: str | None
    line: int
    unit: str | None
    assignee: str | None
    priority: Priority
    external_system: str | None
    external_reference: str | None
    due: datetime


REACTION = EventType("request.reaction_overdue", ENTITY, DeadlineMissed, "nobody took it in time")
SOLUTION = EventType("request.solution_overdue", ENTITY, DeadlineMissed, "it was not solved in time")
WAITING = EventType(
    "request.waiting_overdue", ENTITY, DeadlineMissed, "the customer, who was asked, did not answer in time"
)
TYPES = (REACTION, SOLUTION, WAITING)


async def tell(
    unit: WriteUnit, kind: EventType[DeadlineMissed], missed: DeadlineMissed, version: int
) -> None:
    """Queued; the request was marked by this transaction."""
    await publish(unit, kind, missed.id, missed, version=version)
