"""Stock as the stations' systems report it, its alarms, and data that stay away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import psycopg

from app import pagination
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, invalid
from app.http import BASE
from app.stations import cover, events, repository
from app.stations.cover import Standing, Thresholds
from app.stations.repository import Key, Reported
from app.stations.schemas import (
    ArrivalForm,
    Missed,
    Missing,
    MissingPage,
    RegionStock,
    RegionStocks,
    Stock,
    StockPage,
    StockReceived,
    StockReport,
)

STOCK_FEED = "stock"
SWEEP_BATCH = 1000
REPORTS_KEPT = "14 days"
PURGE_BATCH = 5000


async def receive(database: Database, command: Command, reports: Sequence[StockReport]) -> Committed:
    """All or none; reports no newer than what is known are counted and left out."""

    async def work(unit: WriteUnit) -> Answer:
        return Answer(200, encode(await _receive(unit, reports)))

    return await database.write(command, work)


async def _receive(unit: WriteUnit, reports: Sequence[StockReport]) -> StockReceived:
    stations = await repository.stations(unit, sorted({report.station for report in reports}))
    products = await repository.products(unit, sorted({report.product for report in reports}))
    _refuse_unknown(reports, stations, products)
    by_key: dict[Key, list[StockReport]] = defaultdict(list)
    for report in reports:
        by_key[stations[report.station][0], products[report.product][0]].append(report)
    known = await repository.lock(unit, sorted(by_key))
    counting, standings = _followed(by_key, known)
    if counting:
        limits, regions = dict(products.values()), dict(stations.values())
        await _store(unit, counting, standings, known=known, limits=limits, regions=regions)
    return StockReceived(len(counting), len(reports) - len(counting))


def _refuse_unknown(
    reports: Sequence[StockReport], stations: Mapping[str, object], products: Mapping[str, object]
) -> None:
    wrong = [
        FieldError(f"/reports/{index}/{name}", "unknown", f"no {name} is known by this name")
        for index, report in enumerate(reports)
        for name, found in (("station", stations), ("product", products))
        if getattr(report, name) not in found
    ]
    if wrong:
        raise invalid(wrong)


def _followed(
    by_key: Mapping[Key, Sequence[StockReport]], known: Mapping[Key, Standing]
) -> tuple[list[Reported], dict[Key, Standing]]:
    """The reports that count, in the order of their time, and where each stock stands after them. Pure."""
    counting: list[Reported] = []
    standings: dict[Key, Standing] = {}
    for key, reports in by_key.items():
        standing = known.get(key)
        for report in sorted(reports, key=lambda report: report.at):
            if standing is not None and report.at <= standing.reported_at:
                continue
            sale = None
            if standing is not None:
                sale = cover.sale(standing, report.level, report.delivered, report.at)
            counting.append(Reported(key, report.at, report.level, report.delivered, sale))
            before = standing or Standing(report.level, None, report.at)
            standing = replace(
                before,
                level=report.level,
                capacity=before.capacity if report.capacity is None else report.capacity,
                reported_at=report.at,
            )
            standings[key] = standing
    return counting, standings


async def _store(
    unit: WriteUnit,
    counting: Sequence[Reported],
    standings: Mapping[Key, Standing],
    *,
    known: Mapping[Key, Standing],
    limits: Mapping[str, Thresholds],
    regions: Mapping[str, str],
) -> None:
    """With the rate that the reports give, and the alarms that follow; tells where one began or ended."""
    await repository.add(unit, counting)
    latest = {key: standing.reported_at for key, standing in standings.items()}
    sold = await repository.sold(unit, latest)
    judged = {}
    for key, standing in standings.items():
        rated = replace(standing, sold_per_day=cover.per_day(*sold.get(key, (None, None))))
        judged[key] = cover.judged(rated, limits[key[1]])
    await repository.keep(unit, judged, regions)
    by_station: dict[str, datetime] = {}
    for (station, _), moment in latest.items():
        by_station[station] = max(moment, by_station.get(station, moment))
    await repository.arrived(unit, STOCK_FEED, by_station)
    for key, standing in judged.items():
        before = known.get(key)
        if standing.alarm is not (before and before.alarm):
            await events.tell_alarm(unit, key, standing)


async def page(
    database: Database, freshness: Freshness, filters: dict[str, str], *, limit: int, cursor: str | None
) -> tuple[StockPage, Found[Stock]]:
    """By station and product. `filters`: by the names in repository.FILTERS."""
    station, product = ("", "") if cursor is None else pagination.decode_key(cursor, 2)
    parameters = {**filters, "after_station": station, "after_product": product, "rows": limit + 1}
    found = await database.read(repository.page(frozenset(filters)), parameters, freshness)
    query = {"limit": str(limit), **filters}
    made = pagination.keyed_page(
        found.rows, limit, f"{BASE}/stock", query, lambda stock: [stock.station, stock.product]
    )
    return StockPage(made.items, made.next), found


async def by_region(
    database: Database, freshness: Freshness, product: str | None
) -> tuple[RegionStocks, Found[RegionStock]]:
    found = await database.read(repository.BY_REGION, {"product": product}, freshness)
    return RegionStocks(found.rows), found


async def missing(
    database: Database, freshness: Freshness, *, feed: str | None, limit: int, cursor: str | None
) -> tuple[MissingPage, Found[Missing]]:
    after_feed, after_source = ("", "") if cursor is None else pagination.decode_key(cursor, 2)
    parameters = {"feed": feed, "after_feed": after_feed, "after_source": after_source, "rows": limit + 1}
    found = await database.read(repository.MISSING, parameters, freshness)
    query = {"limit": str(limit), **({} if feed is None else {"feed": feed})}
    made = pagination.keyed_page(
        found.rows, limit, f"{BASE}/missing-data", query, lambda missing: [missing.feed, missing.source]
    )
    return MissingPage(made.items, made.next), found


async def note_arrival(database: Database, command: Command, form: ArrivalForm) -> Committed:
    async def work(unit: WriteUnit) -> Answer:
        await repository.arrived(unit, form.feed, {form.source or "": form.at})
        return Answer(201, encode(form.model_dump()))

    try:
        return await database.write(command, work)
    except psycopg.errors.ForeignKeyViolation as error:
        raise invalid([FieldError("/feed", "unknown-code", "no feed has this code")]) from error


async def sweep(database: Database, command: Command) -> Committed:
    """The worker's step: each source that stays away is told of once, until it is heard of again."""

    async def work(unit: WriteUnit) -> Answer:
        found = await repository.missed(unit, SWEEP_BATCH)
        for feed, source, last_at in found:
            await events.tell_missing(unit, feed, source, last_at)
        await repository.purge(unit, REPORTS_KEPT, PURGE_BATCH)
        return Answer(200, encode(Missed(len(found))))

    return await database.write(command, work)
