"""Detection of overdue requests, by the set.

Any number of workers may run it at once, on either site: each request is reported once for its reaction, once
for its solution and once for each time that the customer was asked, by the transaction that marks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

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


class Deadline(StrEnum):
    REACTION = "reaction"
    SOLUTION = "solution"
    WAITING = "waiting"


# Of a request `r` that waits for it still; the customer's runs while it waits for an answer.
RUNS: Mapping[Deadline, str] = {
    Deadline.REACTION: "r.status = 'new' AND r.taken_at IS NULL",
    Deadline.SOLUTION: "r.status IN ('new', 'in_progress', 'handed_over')",
    Deadline.WAITING: "r.status = 'waiting'",
}


def past(deadline: Deadline) -> str:
    """The condition on which a request `r` is overdue now, whether the sweep has seen it or not."""
    return f"{RUNS[deadline]} AND r.{deadline}_due < now()"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Requests found newly overdue; a full BATCH means that there may be more."""

    reaction: int
    solution: int
    waiting: int


_SWEEP = """
WITH late AS (
    SELECT r.id FROM crm.request r
    WHERE {condition} AND r.{deadline}_overdue_at IS NULL
    ORDER BY r.{deadline}_due LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE crm.request r SET {deadline}_overdue_at = now() FROM late WHERE r.id = late.id
    RETURNING r.id, r.customer_id, r.topic, r.queue, r.line, r.unit, r.assignee, r.priority,
              r.external_system, r.external_reference, r.{deadline}_due, r.version
), told AS (
    INSERT INTO crm.notification (id, recipient, kind, importance, request_id, created_at)
    SELECT crm.new_id(), to_whom.recipient, '{deadline}_overdue', 'critical', m.id, now()
    FROM marked m
    CROSS JOIN LATERAL (SELECT crm.head_of(m.unit) UNION SELECT m.assignee) AS to_whom (recipient)
    WHERE to_whom.recipient IS NOT NULL
)
SELECT m.* FROM marked m
"""


def _sweep(deadline: Deadline, condition: str = "true") -> str:
    return _SWEEP.format(deadline=deadline, condition=f"{past(deadline)} AND {condition}")


_REACTION, _SOLUTION = _sweep(Deadline.REACTION), _sweep(Deadline.SOLUTION)
_WAITING = _sweep(Deadline.WAITING, "crm.waiting_is_told()")


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
