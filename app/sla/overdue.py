"""Detection of overdue requests, by the set.

Any number of workers may run it at once, on either site: each request is reported once for its reaction, once
for its solution and once for each time that the customer was asked, by the transaction that marks it.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import TupleRow

from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.events.types import EventType
from app.sla import events
from app.sla.events import DeadlineMissed
from app.sla.waiting import set_deadlines
from app.topics.schemas import Priority

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Sweep:
    """Requests found newly overdue; a full BATCH means that there may be more."""

    reaction: int
    solution: int
    waiting: int


_SWEEP = """
WITH late AS (
    SELECT r.id FROM crm.request r
    WHERE {condition} AND r.{due} < now() AND r.{mark} IS NULL
    ORDER BY r.{due} LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE crm.request r SET {mark} = now() FROM late WHERE r.id = late.id
    RETURNING r.id, r.customer_id, r.topic, r.queue, r.line, r.unit, r.assignee, r.priority,
              r.external_system, r.external_reference, r.{due}, r.version
), told AS (
    INSERT INTO crm.notification (id, recipient, kind, importance, request_id, created_at)
    SELECT crm.new_id(), to_whom.recipient, '{kind}', 'critical', m.id, now()
    FROM marked m
    CROSS JOIN LATERAL (SELECT crm.head_of(m.unit) UNION SELECT m.assignee) AS to_whom (recipient)
    WHERE to_whom.recipient IS NOT NULL
)
SELECT m.* FROM marked m
"""
_REACTION = _SWEEP.format(
    condition="r.status = 'new' AND r.taken_at IS NULL",
    due="reaction_due",
    mark="reaction_overdue_at",
    kind="reaction_overdue",
)
_SOLUTION = _SWEEP.format(
    condition="r.status IN ('new', 'in_progress', 'handed_over')",
    due="solution_due",
    mark="solution_overdue_at",
    kind="solution_overdue",
)
_WAITING = _SWEEP.format(
    condition="r.status = 'waiting' AND crm.waiting_is_told()",
    due="waiting_due",
    mark="waiting_overdue_at",
    kind="waiting_overdue",
)


async def sweep(database: Database, command: Command) -> Committed:
    """The worker's step: mark a batch of each kind, tell the heads and those assigned."""

    async def work(unit: WriteUnit) -> Answer:
        reaction = await _mark(unit, _REACTION, events.REACTION)
        solution = await _mark(unit, _SOLUTION, events.SOLUTION)
        await set_deadlines(unit, BATCH)
        waiting = await _mark(unit, _WAITING, events.WAITING)
        return Answer(200, encode(Sweep(reaction, solution, waiting)))

    return await database.write(command, work)


async def _mark(unit: WriteUnit, sql: str, kind: EventType[DeadlineMissed]) -> int:
    found = await unit.all(sql, {"batch": BATCH}, _missed)
    for missed, version in found:
        await events.tell(unit, kind, missed, version)
    return len(found)


def _missed(row: TupleRow) -> tuple[DeadlineMissed, int]:
    id_, customer, topic, queue, line, group, assignee, priority, system, reference, due, version = row
    whose = (id_, customer, topic, queue, line, group, assignee, Priority(priority))
    return DeadlineMissed(*whose, system, reference, due), version
