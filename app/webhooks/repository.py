"""The SQL of subscriptions, as the API sees them. What the worker does: dispatch_sql.py."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.database.units import READ_GATE, Read, Whole, WriteUnit
from app.webhooks.schemas import Delivery, DeliveryStatus, Subscription, SubscriptionForm

_COLUMNS = (
    "s.id, s.url, s.title, s.types, s.matching, s.active, s.rotated_at, s.version, s.changed_at, s.failures,"
    " s.hold_until"
)
_OURS = "s.target = 'webhook' AND s.removed_at IS NULL"  # the mail subscription is the house's own

_INSERT = """
INSERT INTO crm.subscription (id, target, url, title, types, matching, active, changed_at)
VALUES (%(id)s, 'webhook', %(url)s, %(title)s, %(types)s, %(only)s, %(active)s, %(changed_at)s)
"""
_REPLACE = """
UPDATE crm.subscription
SET url = %(url)s, title = %(title)s, types = %(types)s, matching = %(only)s, active = %(active)s,
    version = version + 1, changed_at = %(changed_at)s, failures = 0, hold_until = NULL
WHERE id = %(id)s
"""
_LOCK = f"SELECT {_COLUMNS} FROM crm.subscription s WHERE s.id = %(id)s AND {_OURS} FOR UPDATE"
_ROTATE = """
UPDATE crm.subscription
SET secret_number = secret_number + 1, rotated_at = %(at)s, version = version + 1, changed_at = %(at)s
WHERE id = %(id)s
"""
_REVIVE = """
WITH again AS (
    UPDATE crm.delivery SET status = 'pending', attempts = 0, due_at = now(), finished_at = NULL
    WHERE subscription_id = %(id)s AND status = 'dead' RETURNING position
) SELECT count(*) FROM again
"""
_REPLAY = """
WITH again AS (
    INSERT INTO crm.delivery (subscription_id, position, entity)
    SELECT s.id, e.position, e.entity
    FROM crm.subscription s JOIN crm.event e ON crm.wants(s.types, e.type) AND e.data @> s.matching
    WHERE s.id = %(id)s AND e.position > %(after)s
    ON CONFLICT (subscription_id, position) DO UPDATE
    SET status = 'pending', attempts = 0, due_at = now(), finished_at = NULL
    RETURNING position
) SELECT count(*) FROM again
"""
_REMOVE = "UPDATE crm.subscription SET active = false, removed_at = %(at)s WHERE id = %(id)s"
_RELEASE = "UPDATE crm.subscription SET failures = 0, hold_until = NULL WHERE id = %(id)s"


def _subscription(row: TupleRow) -> Subscription:
    return Subscription(*row)


def _delivery(row: TupleRow) -> Delivery:
    position, event_id, type_, entity, status, *rest = row
    return Delivery(position, event_id, type_, entity, DeliveryStatus(status), *rest)


ONE = Read(
    f"SELECT {_COLUMNS} FROM crm.subscription s WHERE {READ_GATE} AND s.id = %(id)s AND {_OURS}",
    _subscription,
)
ALL = Read(
    f"SELECT {_COLUMNS} FROM crm.subscription s WHERE {READ_GATE} AND {_OURS} ORDER BY s.id LIMIT 1000",
    _subscription,
)
SECRET: Read[tuple[int, datetime | None]] = Read(
    f"""
    SELECT s.secret_number, s.rotated_at FROM crm.subscription s
    WHERE {READ_GATE} AND s.id = %(id)s AND {_OURS}""",
    lambda row: (row[0], row[1]),
)
DELIVERIES = Read(
    f"""
    SELECT d.position, e.id, e.type, d.entity, d.status, d.attempts, d.due_at, d.answer, d.finished_at
    FROM crm.subscription s
    JOIN crm.delivery d ON d.subscription_id = s.id
    JOIN crm.event e ON e.position = d.position
    WHERE {READ_GATE} AND s.id = %(id)s AND {_OURS} AND d.position < %(below)s
      AND (%(status)s::text IS NULL OR d.status = %(status)s)
    ORDER BY d.position DESC LIMIT %(limit)s""",
    _delivery,
    Whole("subscription", ONE),
)


async def insert(unit: WriteUnit, id_: UUID, form: SubscriptionForm, at: datetime) -> None:
    """Queued."""
    await unit.queue(_INSERT, _values(id_, form, at))


async def replace(unit: WriteUnit, id_: UUID, form: SubscriptionForm, at: datetime) -> None:
    """Queued."""
    await unit.queue(_REPLACE, _values(id_, form, at))


async def lock(unit: WriteUnit, id_: UUID) -> Subscription | None:
    return await unit.one(_LOCK, {"id": id_}, _subscription)


async def rotate(unit: WriteUnit, id_: UUID, at: datetime) -> None:
    """Queued."""
    await unit.queue(_ROTATE, {"id": id_, "at": at})


async def remove(unit: WriteUnit, id_: UUID, at: datetime) -> None:
    """Queued. For everybody it is gone; its rows follow (app/retention/purge.py)."""
    await unit.queue(_REMOVE, {"id": id_, "at": at})


async def replay(unit: WriteUnit, id_: UUID, after: int | None) -> int:
    """How many will be delivered again; the subscriber is no longer left alone."""
    await unit.queue(_RELEASE, {"id": id_})
    count = await unit.one(
        _REVIVE if after is None else _REPLAY, {"id": id_, "after": after}, lambda row: int(row[0])
    )
    return count or 0


def _values(id_: UUID, form: SubscriptionForm, at: datetime) -> dict[str, object]:
    return {
        "id": id_,
        "url": form.url,
        "title": form.title,
        "types": list(form.types),
        "only": Jsonb(form.only),
        "active": form.active,
        "changed_at": at,
    }
