"""The one way out: an event enters the transaction of the change it tells of."""

from __future__ import annotations

from typing import TypeVar

from app.database.units import Parameters, WriteUnit
from app.encoding import encode
from app.events.types import EventType
from app.identity import new_id, now

P = TypeVar("P")

# A row of it: `row_of`.
INSERT = """
INSERT INTO crm.outbox (id, type, entity, version, at, data)
VALUES (%(id)s, %(type)s, %(entity)s, %(version)s, %(at)s, %(data)s::text::jsonb)
"""


async def publish(
    unit: WriteUnit, kind: EventType[P], key: object, data: P, *, version: int | None = None
) -> None:
    """Queued; leaves if, and only if, the transaction commits.

    The entity's row must be locked or new in this transaction: that is what keeps its events in order.
    """
    await unit.queue(INSERT, row_of(kind, key, data, version=version))


def row_of(kind: EventType[P], key: object, data: P, *, version: int | None = None) -> Parameters:
    """The event as INSERT takes it, for those who have no unit of work, as bulk loads."""
    return {
        "id": new_id(),
        "type": kind.name,
        "entity": f"{kind.entity}:{key}",
        "version": version,
        "at": now(),
        "data": encode(data).decode(),
    }
