"""Until when a customer who was asked may be silent. A pause that has no deadline gets one here."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import TupleRow

from app.database.units import WriteUnit
from app.routing.repository import read_calendar, read_topic
from app.sla.clock import HOME_ZONE, WorkingCalendar, advance
from app.topics.schemas import DEFAULT_WAITING_MINUTES, TopicForm

# Of a topic that the directory never had, there is the default.
_WITHOUT_DEADLINE = """
SELECT r.id, coalesce(r.waiting_since, r.created_at), to_json(t)::text, to_json(k)::text, g.time_zone
FROM crm.request r
LEFT JOIN crm.request_topic t ON t.code = r.topic
LEFT JOIN crm.calendar k ON k.code = t.calendar
LEFT JOIN crm.customer_profile p ON p.customer_id = r.customer_id
LEFT JOIN crm.region g ON g.code = coalesce(r.region, p.region)
WHERE r.status = 'waiting' AND r.waiting_overdue_at IS NULL AND r.waiting_due IS NULL
LIMIT %(batch)s FOR UPDATE OF r SKIP LOCKED
"""
_SET = """
UPDATE crm.request r SET waiting_due = given.due
FROM unnest(%(ids)s::uuid[], %(dues)s::timestamptz[]) AS given (id, due)
WHERE r.id = given.id
"""


def waiting_due(since: datetime, topic: TopicForm | None, calendar: WorkingCalendar | None) -> datetime:
    """By the topic's norm and calendar; without them by the default and the clock on the wall. Pure."""
    minutes = DEFAULT_WAITING_MINUTES if topic is None else topic.may_be_silent
    norm = timedelta(minutes=minutes)
    return since + norm if calendar is None else advance(since, norm, calendar)


async def set_deadlines(unit: WriteUnit, batch: int) -> None:
    """Of pauses that the release before began. One round trip where there are none."""
    found = await unit.all(_WITHOUT_DEADLINE, {"batch": batch}, _due)
    if found:
        ids, dues = zip(*found, strict=True)
        await unit.queue(_SET, {"ids": list(ids), "dues": list(dues)})


def _due(row: TupleRow) -> tuple[UUID, datetime]:
    id_, since, topic, calendar, zone = row
    if topic is None or calendar is None:
        return id_, waiting_due(since, None, None)
    return id_, waiting_due(since, read_topic(topic), read_calendar(calendar, zone or HOME_ZONE))
