"""The SQL of stock and of missing data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

from psycopg.rows import TupleRow

from app.database.units import READ_GATE, Read, WriteUnit
from app.stations.cover import WINDOW, Sale, Standing, Thresholds, days_of_cover
from app.stations.schemas import Alarm, Missing, RegionStock, Stock

Key = tuple[str, str]
"""The codes of a station and a product."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A report that counts, and what was sold until it."""

    key: Key
    at: datetime
    level: Decimal
    delivered: Decimal
    sale: Sale | None


def _alarm(value: str | None) -> Alarm | None:
    return None if value is None else Alarm(value)


def _stock(row: TupleRow) -> Stock:
    station, product, title, region, level, capacity, reported_at, sold_per_day, alarm, alarm_since = row
    return Stock(
        station=station,
        product=product,
        station_title=title,
        region=region,
        level=level,
        capacity=capacity,
        reported_at=reported_at,
        sold_per_day=sold_per_day,
        days_of_cover=days_of_cover(level, sold_per_day),
        alarm=_alarm(alarm),
        alarm_since=alarm_since,
    )


FILTERS = {
    "station": "k.station = %(station)s",
    "product": "k.product = %(product)s",
    "region": "k.region = %(region)s",
    "alarm": "k.alarm = %(alarm)s",
}


@cache
def page(filters: frozenset[str]) -> Read[Stock]:
    conditions = "".join(f" AND {FILTERS[name]}" for name in sorted(filters))
    return Read(
        f"""
        SELECT k.station, k.product, s.title, k.region, k.level, k.capacity, k.reported_at, k.sold_per_day,
               k.alarm, k.alarm_since
        FROM crm.stock k JOIN crm.station s ON s.code = k.station
        WHERE {READ_GATE} AND (k.station, k.product) > (%(after_station)s, %(after_product)s){conditions}
        ORDER BY k.station, k.product LIMIT %(rows)s""",
        _stock,
    )


BY_REGION = Read(
    f"""
    SELECT k.region, k.product, count(*), sum(k.level), sum(k.sold_per_day),
           count(*) FILTER (WHERE k.alarm = 'shortage'), count(*) FILTER (WHERE k.alarm = 'surplus')
    FROM crm.stock k WHERE {READ_GATE} AND (%(product)s::text IS NULL OR k.product = %(product)s)
    GROUP BY k.region, k.product ORDER BY k.region, k.product LIMIT 5000""",
    lambda row: RegionStock(*row),
)
MISSING = Read(
    f"""
    SELECT d.feed, d.source, d.last_at, d.due_at FROM crm.data_due d
    WHERE {READ_GATE} AND d.due_at < now() AND (d.feed, d.source) > (%(after_feed)s, %(after_source)s)
      AND (%(feed)s::text IS NULL OR d.feed = %(feed)s)
    ORDER BY d.feed, d.source LIMIT %(rows)s""",
    lambda row: Missing(*row),
)

_STATIONS = "SELECT s.known_as, s.code, s.region FROM crm.station s WHERE s.known_as = ANY(%(names)s)"
_PRODUCTS = """
SELECT p.known_as, p.code, p.shortage_days, p.surplus_days
FROM crm.product p WHERE p.known_as = ANY(%(names)s)
"""
_LOCK = """
SELECT k.station, k.product, k.level, k.capacity, k.reported_at, k.sold_per_day, k.alarm, k.alarm_since
FROM crm.stock k
JOIN unnest(%(stations)s::text[], %(products)s::text[]) AS w (station, product)
  ON k.station = w.station AND k.product = w.product
ORDER BY k.station, k.product FOR UPDATE OF k
"""
# Two first reports of a station at once would both find no row to lock.
_TURN = """
SELECT pg_advisory_xact_lock(hashtextextended('stock ' || s.name, 0))
FROM (SELECT w.name FROM unnest(%(names)s::text[]) AS w (name) ORDER BY w.name) AS s
"""
_REPORT = """
INSERT INTO crm.stock_report (station, product, reported_at, level, delivered, sold, seconds)
SELECT t.* FROM unnest(%(station)s::text[], %(product)s::text[], %(at)s::timestamptz[], %(level)s::numeric[],
                       %(delivered)s::numeric[], %(sold)s::numeric[], %(seconds)s::float8[]) AS t
"""
_SOLD = """
SELECT r.station, r.product, sum(r.sold), sum(r.seconds)
FROM crm.stock_report r
JOIN unnest(%(stations)s::text[], %(products)s::text[], %(since)s::timestamptz[])
       AS w (station, product, since)
  ON r.station = w.station AND r.product = w.product AND r.reported_at > w.since
WHERE r.sold IS NOT NULL GROUP BY r.station, r.product
"""
_KEEP = """
INSERT INTO crm.stock
    (station, product, region, level, capacity, reported_at, sold_per_day, alarm, alarm_since)
SELECT t.* FROM unnest(%(station)s::text[], %(product)s::text[], %(region)s::text[], %(level)s::numeric[],
                       %(capacity)s::numeric[], %(reported_at)s::timestamptz[], %(sold_per_day)s::numeric[],
                       %(alarm)s::text[], %(alarm_since)s::timestamptz[]) AS t
ON CONFLICT (station, product) DO UPDATE
SET region = excluded.region, level = excluded.level, capacity = excluded.capacity,
    reported_at = excluded.reported_at, sold_per_day = excluded.sold_per_day, alarm = excluded.alarm,
    alarm_since = excluded.alarm_since
"""
_ARRIVED = """
INSERT INTO crm.data_arrival (feed, source, last_at)
SELECT %(feed)s, t.source, t.at FROM unnest(%(sources)s::text[], %(moments)s::timestamptz[]) AS t (source, at)
ORDER BY t.source
ON CONFLICT (feed, source) DO UPDATE
SET last_at = greatest(data_arrival.last_at, excluded.last_at), missed = NULL
"""
_MISSED = """
WITH late AS (
    SELECT d.feed, d.source, d.last_at, d.due_at FROM crm.data_due d
    WHERE d.due_at < now() AND d.missed IS NULL ORDER BY d.feed, d.source LIMIT %(batch)s
)
INSERT INTO crm.data_arrival (feed, source, last_at, missed)
SELECT l.feed, l.source, l.last_at, now() FROM late l
ON CONFLICT (feed, source) DO UPDATE SET missed = excluded.missed WHERE data_arrival.missed IS NULL
RETURNING feed, source, last_at
"""
# What was reported as missing and has arrived without passing here: the processing system's feed.
_BACK = """
UPDATE crm.data_arrival a SET missed = NULL
FROM crm.data_due d
WHERE d.feed = a.feed AND d.source = a.source AND a.missed IS NOT NULL AND d.due_at > now()
"""
_PURGE = """
DELETE FROM crm.stock_report r WHERE r.reported_at < now() - %(kept)s::interval AND r.ctid = ANY (ARRAY(
    SELECT o.ctid FROM crm.stock_report o WHERE o.reported_at < now() - %(kept)s::interval LIMIT %(batch)s))
"""


async def stations(unit: WriteUnit, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Code and region by the name in the feeds."""
    return dict(await unit.all(_STATIONS, {"names": list(names)}, lambda row: (row[0], (row[1], row[2]))))


async def products(unit: WriteUnit, names: Sequence[str]) -> dict[str, tuple[str, Thresholds]]:
    rows = await unit.all(
        _PRODUCTS, {"names": list(names)}, lambda row: (row[0], (row[1], Thresholds(row[2], row[3])))
    )
    return dict(rows)


async def lock(unit: WriteUnit, keys: Sequence[Key]) -> dict[Key, Standing]:
    """What is known, until the commit for this transaction alone."""
    await unit.queue(_TURN, {"names": sorted({station for station, _ in keys})})
    rows = await unit.all(_LOCK, _columns(keys), _standing)
    return dict(rows)


def _standing(row: TupleRow) -> tuple[Key, Standing]:
    station, product, level, capacity, reported_at, sold_per_day, alarm, alarm_since = row
    return (station, product), Standing(
        level, capacity, reported_at, sold_per_day, _alarm(alarm), alarm_since
    )


def _columns(keys: Sequence[Key]) -> Mapping[str, list[str]]:
    return {"stations": [station for station, _ in keys], "products": [product for _, product in keys]}


async def add(unit: WriteUnit, reports: Sequence[Reported]) -> None:
    """Queued."""
    await unit.queue(
        _REPORT,
        {
            "station": [report.key[0] for report in reports],
            "product": [report.key[1] for report in reports],
            "at": [report.at for report in reports],
            "level": [report.level for report in reports],
            "delivered": [report.delivered for report in reports],
            "sold": [report.sale and report.sale.sold for report in reports],
            "seconds": [report.sale and report.sale.seconds for report in reports],
        },
    )


async def sold(unit: WriteUnit, latest: Mapping[Key, datetime]) -> dict[Key, tuple[Decimal, float]]:
    """What was sold in the window before each moment, and in how many seconds of it that is known."""
    since = [moment - WINDOW for moment in latest.values()]
    rows = await unit.all(
        _SOLD,
        {**_columns(list(latest)), "since": since},
        lambda row: ((row[0], row[1]), (row[2], float(row[3]))),
    )
    return dict(rows)


async def keep(unit: WriteUnit, standings: Mapping[Key, Standing], regions: Mapping[str, str]) -> None:
    """Queued; the rows must be locked. `regions` by station."""
    keys = sorted(standings)
    ordered = [standings[key] for key in keys]
    names = ("level", "capacity", "reported_at", "sold_per_day", "alarm", "alarm_since")
    columns: dict[str, list[object]] = {name: [getattr(item, name) for item in ordered] for name in names}
    columns["station"], columns["product"] = [key[0] for key in keys], [key[1] for key in keys]
    columns["region"] = [regions[key[0]] for key in keys]
    await unit.queue(_KEEP, columns)


async def arrived(unit: WriteUnit, feed: str, latest: Mapping[str, datetime]) -> None:
    """Queued. `latest` by source. An unknown feed breaks `data_arrival_feed_fkey`."""
    parameters = {"feed": feed, "sources": list(latest), "moments": list(latest.values())}
    await unit.queue(_ARRIVED, parameters)


async def missed(unit: WriteUnit, batch: int) -> list[tuple[str, str, datetime | None]]:
    """Feeds and sources that are newly missing, marked as reported."""
    await unit.queue(_BACK)
    return await unit.all(_MISSED, {"batch": batch}, lambda row: (row[0], row[1], row[2]))


async def purge(unit: WriteUnit, kept: str, batch: int) -> None:
    """Queued: removes reports that no rate looks at any more."""
    await unit.queue(_PURGE, {"kept": kept, "batch": batch})
