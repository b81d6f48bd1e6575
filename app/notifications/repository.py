"""The SQL of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import new_id, now
from app.notifications.schemas import NoticeKind, Notification
from app.topics.schemas import Importance


class Subject(Protocol):
    """What a notification needs to know of a request."""

    @property
    def id(self) -> UUID: ...
    @property
    def assignee(self) -> str | None: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def importance(self) -> Importance: ...


# To the person; where nobody is assigned, to the head of the unit, or else to the nearest above.
_TELL = """
INSERT INTO crm.notification (id, recipient, kind, importance, request_id, created_at)
SELECT %(id)s, r.recipient, %(kind)s, %(importance)s, %(request_id)s, %(created_at)s
FROM (SELECT coalesce(%(assignee)s, crm.head_of(%(unit)s)) AS recipient) r
WHERE r.recipient IS NOT NULL
"""
_SHOWN = """
SELECT n.id, n.recipient, n.kind, n.importance, n.request_id, r.subject, n.created_at, n.read_at, n.half_month
FROM crm.notification n LEFT JOIN crm.request r ON r.id = n.request_id
"""
# What is about a request is shown while that is in reach.
_IN_REACH = "(r.id IS NOT NULL OR n.request_id IS NULL)"
_READ = """
UPDATE crm.notification SET read_at = coalesce(read_at, %(at)s) WHERE id = %(id)s RETURNING read_at
"""


async def tell(unit: WriteUnit, kind: NoticeKind, about: Subject) -> None:
    """Queued."""
    parameters = {
        "id": new_id(),
        "kind": kind.value,
        "importance": about.importance.value,
        "request_id": about.id,
        "created_at": now(),
        "assignee": about.assignee,
        "unit": about.unit,
    }
    await unit.queue(_TELL, parameters)


async def mark_read(unit: WriteUnit, id_: UUID, at: datetime) -> datetime | None:
    """When it was first read; None if there is no such notification."""
    return await unit.one(_READ, {"id": id_, "at": at}, lambda row: row[0])


def _notification(row: TupleRow) -> Notification:
    id_, recipient, kind, importance, *rest = row
    return Notification(id_, recipient, NoticeKind(kind), Importance(importance), *rest)


def _page(condition: str) -> Read[Notification]:
    return Read(
        f"""
        {_SHOWN}
        WHERE {READ_GATE} AND {_IN_REACH} AND n.recipient = %(recipient)s AND n.id < %(below)s{condition}
        ORDER BY n.id DESC LIMIT %(rows)s""",
        _notification,
    )


ALL = _page("")
UNREAD = _page(" AND n.read_at IS NULL")
UNREAD_OF_ALL = Read(
    f"""
    {_SHOWN}
    WHERE {READ_GATE} AND {_IN_REACH} AND n.recipient = ANY (%(recipients)s) AND n.id > %(after)s
      AND n.read_at IS NULL
    ORDER BY n.id LIMIT 5000""",
    _notification,
)
