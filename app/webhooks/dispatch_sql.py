"""The SQL of deliveries: claiming what is due, and noting what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from psycopg.rows import TupleRow

from app.database.units import WriteUnit
from app.events.types import Event
from app.webhooks.schedule import ATTEMPT_SECONDS
from app.webhooks.schemas import DeliveryStatus

# A claim that has not committed by then sends nothing.
CLAIM_SECONDS = 5.0
# From when it was claimed. Nobody can tell a worker that is dead from one that is cut off and still sending;
# by the lease's end its last attempt has ended too, so that what comes next for an entity overtakes nothing.
LEASE = timedelta(seconds=CLAIM_SECONDS + ATTEMPT_SECONDS + 5)
EACH = 32  # deliveries of one subscriber at a time, each of another entity
ALL = 64 * EACH  # and of all together


Key = tuple[UUID, int]
"""Of a delivery: subscription and position."""


class Target(StrEnum):
    WEBHOOK = "webhook"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Recipient:
    id: UUID
    target: Target
    url: str
    secret_number: int
    rotated_at: datetime | None
    failures: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that is ours to deliver until the lease ends. `attempts` counts this one."""

    recipient: Recipient
    position: int
    attempts: int
    event: Event

    @property
    def key(self) -> Key:
        return self.recipient.id, self.position


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt."""

    position: int
    attempts: int
    status: DeliveryStatus
    answer: str
    due_at: datetime


# Only the first open delivery of an entity may go: that keeps the order. A row that another worker has locked
# is skipped, one that it has claimed is seen as claimed. What this worker itself has under way stays its own,
# also when its lease ends before it could be noted.
_CLAIM = """
WITH own AS MATERIALIZED (
    SELECT u.id, u.position FROM unnest(%(ids)s::uuid[], %(positions)s::bigint[]) AS u (id, position)
), ready AS (
    SELECT s.id, d.position FROM crm.subscription s CROSS JOIN LATERAL (
        SELECT d.position FROM crm.delivery d
        WHERE d.subscription_id = s.id AND d.status = 'pending' AND d.due_at <= now()
          AND (d.claimed_until IS NULL OR d.claimed_until < now())
          AND NOT EXISTS (SELECT FROM own WHERE own.id = d.subscription_id AND own.position = d.position)
          AND NOT EXISTS (SELECT FROM crm.delivery e
                          WHERE e.subscription_id = s.id AND e.status = 'pending' AND e.entity = d.entity
                            AND e.position < d.position)
        ORDER BY d.position
        LIMIT greatest(%(each)s - (SELECT count(*) FROM own WHERE own.id = s.id), 0)
        FOR UPDATE OF d SKIP LOCKED
    ) d
    WHERE s.active AND (s.hold_until IS NULL OR s.hold_until <= now()) AND s.target = ANY (%(targets)s)
    LIMIT %(all)s
), claimed AS (
    UPDATE crm.delivery d SET claimed_until = now() + %(lease)s, attempts = d.attempts + 1
    FROM ready r WHERE d.subscription_id = r.id AND d.position = r.position
    RETURNING d.subscription_id, d.position, d.attempts
)
SELECT s.id, s.target, s.url, s.secret_number, s.rotated_at, s.failures,
       c.position, c.attempts, e.id, e.type, e.at, e.entity, e.version, e.data
FROM claimed c JOIN crm.subscription s ON s.id = c.subscription_id JOIN crm.event e ON e.position = c.position
ORDER BY s.id, c.position
"""
# `attempts` is the fence: whoever was overtaken, because the lease had ended, notes nothing.
_NOTE = """
UPDATE crm.delivery d
SET status = n.status, answer = n.answer, due_at = n.due_at, claimed_until = NULL,
    finished_at = CASE WHEN n.status <> 'pending' THEN now() END
FROM unnest(%(positions)s::bigint[], %(attempts)s::smallint[], %(statuses)s::text[], %(answers)s::text[],
            %(due)s::timestamptz[]) AS n (position, attempts, status, answer, due_at)
WHERE d.subscription_id = %(id)s AND d.position = n.position AND d.attempts = n.attempts
  AND d.status = 'pending'
"""
_REACHED = "UPDATE crm.subscription SET failures = 0, hold_until = NULL WHERE id = %(id)s AND failures > 0"
# Attempts that were under way together count once, however many there were.
_UNREACHED = """
UPDATE crm.subscription SET failures = failures + 1, hold_until = %(hold_until)s
WHERE id = %(id)s AND failures = %(failures)s
"""
_END = (
    "UPDATE crm.subscription SET active = false, version = version + 1, changed_at = now() WHERE id = %(id)s"
)


async def claim(unit: WriteUnit, own: Collection[Key], targets: Sequence[Target]) -> list[Claimed]:
    """What is due now, and has room beside what this worker has under way."""
    parameters = {
        "ids": [id_ for id_, _ in own],
        "positions": [position for _, position in own],
        "targets": [target.value for target in targets],
        "each": EACH,
        "all": max(ALL - len(own), 0),
        "lease": LEASE,
    }
    return await unit.all(_CLAIM, parameters, _claimed)


def _claimed(row: TupleRow) -> Claimed:
    id_, target, url, number, rotated_at, failures, position, attempts, *event = row
    recipient = Recipient(id_, Target(target), url, number, rotated_at, failures)
    return Claimed(recipient, position, attempts, Event(*event))


async def note(unit: WriteUnit, recipient: UUID, outcomes: Sequence[Outcome]) -> None:
    """Queued."""
    parameters = {
        "id": recipient,
        "positions": [outcome.position for outcome in outcomes],
        "attempts": [outcome.attempts for outcome in outcomes],
        "statuses": [outcome.status.value for outcome in outcomes],
        "answers": [outcome.answer for outcome in outcomes],
        "due": [outcome.due_at for outcome in outcomes],
    }
    await unit.queue(_NOTE, parameters)


async def reached(unit: WriteUnit, recipient: UUID) -> None:
    """Queued."""
    await unit.queue(_REACHED, {"id": recipient})


async def unreached(unit: WriteUnit, recipient: Recipient, hold_until: datetime) -> None:
    """Queued: it is left alone for a while."""
    parameters = {"id": recipient.id, "failures": recipient.failures, "hold_until": hold_until}
    await unit.queue(_UNREACHED, parameters)


async def end(unit: WriteUnit, recipient: UUID) -> None:
    """Queued: it said that it is gone."""
    await unit.queue(_END, {"id": recipient})
