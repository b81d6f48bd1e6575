"""The SQL of the statistics that are kept of half months. They are read like the other reports."""

from __future__ import annotations

from datetime import date, datetime

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, Whole, WriteUnit
from app.reports.half_month import HalfMonth
from app.reports.repository import BY_IDS, PERIOD, of_period
from app.reports.schemas import ChangeRow, KeptHalfMonth

HALF_MONTHS = Read(
    f"""
    SELECT h.first_day, h.last_day, h.made_at,
           (SELECT coalesce(sum(t.requests), 0) FROM crm.half_month_topic t WHERE t.first_day = h.first_day)
    FROM crm.half_month h WHERE {READ_GATE} ORDER BY h.first_day DESC LIMIT 240""",
    lambda row: KeptHalfMonth(*row),
)
_KEPT_ONE = f"SELECT true FROM crm.half_month h WHERE {READ_GATE} AND h.first_day = %(first_day)s"
CHANGE = Read(
    f"""
    SELECT c.topic, c.present, c.past, c.present - c.past,
           round(100.0 * c.present * %(past_days)s / (nullif(c.past, 0) * %(days)s) - 100, 1)::float8
    FROM (
        SELECT t.topic, coalesce(sum(t.requests) FILTER (WHERE t.first_day = %(first_day)s), 0) AS present,
               CASE WHEN EXISTS (SELECT FROM crm.half_month h WHERE h.first_day = %(past)s)
                    THEN coalesce(sum(t.requests) FILTER (WHERE t.first_day = %(past)s), 0) END AS past
        FROM crm.half_month_topic t WHERE t.first_day IN (%(first_day)s, %(past)s) GROUP BY t.topic
    ) AS c
    WHERE {READ_GATE} AND EXISTS (SELECT FROM crm.half_month h WHERE h.first_day = %(first_day)s)
    ORDER BY c.present DESC, c.topic LIMIT 5000""",
    lambda row: ChangeRow(*row),
    Whole("half month", Read(_KEPT_ONE, bool)),
)

_KEPT = """
SELECT (SELECT max(h.first_day) FROM crm.half_month h),
       (SELECT r.created_at FROM crm.request r ORDER BY r.id LIMIT 1)
"""
_KEEP = f"""
WITH half AS (
    INSERT INTO crm.half_month (first_day, last_day, made_at) VALUES (%(first_day)s, %(last_day)s, now())
    ON CONFLICT DO NOTHING RETURNING first_day
), counted AS (
    INSERT INTO crm.half_month_topic (first_day, topic, labels, requests)
    SELECT h.first_day, r.topic, zone.labels, count(*)
    FROM half h CROSS JOIN crm.request r
    CROSS JOIN LATERAL (
        SELECT ARRAY(
            SELECT DISTINCT l FROM unnest(
                crm.labels('request', NULL, r.zone_unit, r.zone_region, r.zone_partner, NULL)
                || ARRAY['request:unit=' || r.unit, 'request:region=' || r.region]) AS l
            WHERE l IS NOT NULL ORDER BY l)
    ) AS zone (labels)
    WHERE {PERIOD} AND {BY_IDS}
    GROUP BY h.first_day, r.topic, zone.labels
)
INSERT INTO crm.notification (id, recipient, kind, importance, half_month, created_at)
SELECT crm.new_id(), head.code, 'statistics', 'info', h.first_day, now()
FROM half h CROSS JOIN (
    SELECT DISTINCT p.code FROM crm.unit u JOIN crm.person p ON p.code = u.head WHERE u.active AND p.active
) AS head
"""


def change_of(half: HalfMonth) -> dict[str, object]:
    """The parameters of CHANGE."""
    before = half.before
    return {"first_day": half.first, "days": half.days, "past": before.first, "past_days": before.days}


async def kept(unit: WriteUnit) -> tuple[date | None, datetime | None]:
    """The first day of the last half month that is kept, and when the first request came. A round trip."""

    def make(row: TupleRow) -> tuple[date | None, datetime | None]:
        return row[0], row[1]

    return await unit.one(_KEPT, {}, make) or (None, None)


async def keep(unit: WriteUnit, half: HalfMonth) -> None:
    """Queued. The transaction that gets to insert it counts and tells; another one does nothing."""
    period = of_period(half.since, half.following.since)
    await unit.queue(_KEEP, {"first_day": half.first, "last_day": half.last, **period})
