"""What leaves when the telephone system tells of a call. Its number and its recording stay behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.calls.schemas import Call, CallDirection
from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType

ENTITY = "call"


@dataclass(frozen=True, slots=True)
class CallChanged:
    """What is known of the call by now; `GET /calls/{id}` has the number and the link to the recording."""

    id: UUID
    external_id: str
    direction: CallDirection
    operator: str | None
    customer_id: UUID | None
    request_id: UUID | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    waited_seconds: float | None
    talked_seconds: float | None


STARTED = EventType("call.started", ENTITY, CallChanged, "it rings, or more is known of it while it rings")
ANSWERED = EventType("call.answered", ENTITY, CallChanged, "they talk, or more is known of it meanwhile")
ENDED = EventType("call.ended", ENTITY, CallChanged, "it is over, or more is known of it afterwards")
TYPES = (STARTED, ANSWERED, ENDED)


async def tell(unit: WriteUnit, call: Call) -> None:
    """Queued; the call is new or locked."""
    values = {name: getattr(call, name) for name in CallChanged.__slots__}
    await publish(unit, _kind(call), call.id, CallChanged(**values))


def _kind(call: Call) -> EventType[CallChanged]:
    if call.ended_at is not None:
        return ENDED
    return STARTED if call.answered_at is None else ANSWERED
