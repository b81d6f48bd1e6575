"""/api/v1/stations, /products, /data-feeds, /stock, /stock-reports, /missing-data, /data-arrivals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.directory.endpoints import router_of
from app.directory.model import Code
from app.http import (
    LIST_PROBLEMS,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    OptionalCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.pagination import DEFAULT_LIMIT, KeyCursor, Limit
from app.problems import problems
from app.stations import service
from app.stations.schemas import (
    DATA_FEEDS,
    PRODUCTS,
    STATIONS,
    Alarm,
    ArrivalForm,
    Missed,
    MissingPage,
    RegionStocks,
    StockPage,
    StockReceived,
    StockReportsForm,
)

router = APIRouter(tags=["stations"], route_class=StrictRoute)
LISTING = problems(*LIST_PROBLEMS)
OptionalCode = Annotated[Code | None, Query()]


@router.post("/stock-reports", response_model=StockReceived, responses=problems(*WRITE_PROBLEMS))
async def receive_stock(form: StockReportsForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Take in what stations have, up to a thousand reports, all or none."""
    return written(await service.receive(database, command, form.reports))


@router.get("/stock", response_model=StockPage, responses=LISTING)
async def list_stock(
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    region: OptionalCode = None,
    station: OptionalCode = None,
    product: OptionalCode = None,
    alarm: Annotated[Alarm | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Response:
    """What stations have, how fast it sells, how long it lasts, and what alarms."""
    given = {"region": region, "station": station, "product": product, "alarm": alarm}
    filters = {name: str(value) for name, value in given.items() if value is not None}
    page, found = await service.page(database, freshness, filters, limit=limit, cursor=cursor)
    return shown(page, found)


@router.get("/stock/regions", response_model=RegionStocks, responses=problems(*READ_PROBLEMS))
async def stock_by_region(
    database: TheDatabase, freshness: TheFreshness, product: OptionalCode = None
) -> Response:
    """The same summed up by region and product."""
    stocks, found = await service.by_region(database, freshness, product)
    return shown(stocks, found)


@router.get("/missing-data", response_model=MissingPage, responses=LISTING)
async def list_missing_data(
    database: TheDatabase,
    freshness: TheFreshness,
    feed: OptionalCode = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Response:
    """Data of integrated systems that should be here by now and are not."""
    page, found = await service.missing(database, freshness, feed=feed, limit=limit, cursor=cursor)
    return shown(page, found)


@router.post("/missing-data/sweeps", response_model=Missed, responses=problems(*WRITE_PROBLEMS))
async def sweep_missing_data(command: OptionalCommand, database: TheDatabase) -> Response:
    """The worker's step: tell of what is newly missing, each source once until it is heard of again."""
    return written(await service.sweep(database, command))


@router.post(
    "/data-arrivals", status_code=201, response_model=ArrivalForm, responses=problems(*WRITE_PROBLEMS)
)
async def note_data_arrival(form: ArrivalForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Data of an integrated system have arrived, by whatever way."""
    return written(await service.note_arrival(database, command, form))


routers = (router_of(STATIONS), router_of(PRODUCTS), router_of(DATA_FEEDS), router)
