"""The one way out: an event enters the transaction of the change it tells of."""

from __future__ import annotations

from typing import TypeVar

from app.database.units import WriteUnit
from app.encoding import encode
from app.events.types import EventType
from app.identity import new_id, now

P = TypeVar("P")

_INSERT = """
INSERT INTO crm.outbox (id, type, entity, version, at, data)
VALUES (%(id)s, %(type)s, %(entity)s, %(version)s, %(at)s, %(data)s::text::jsonb)
"""


async def publish(
    unit: WriteUnit, kind: EventType[P], key: object, data: P, *, version: int | None = None
) -> None:
    """Queued; leaves if, and only if, the transaction commits.

    The entity's row must be locked or new in this transaction: that is what keeps its events in order.
    """
    await unit.queue(
        _INSERT,
        {
            "id": new_id(),
            "type": kind.name,
            "entity": f"{kind.entity}:{key}",
            "version": version,
            "at": now(),
            "data": encode(data).decode(),
        },
    )
