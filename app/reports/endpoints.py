"""/api/v1/reports. Every report also as CSV (`format=csv`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.audit import disclosure
from app.database.database import Found
from app.directory.model import Code
from app.fields import Moment
from app.http import READ_PROBLEMS, StrictRoute, TheDatabase, TheFreshness, origin, shown
from app.problems import problems
from app.reports import repository
from app.reports.schemas import (
    Board,
    ChangeReport,
    Dimension,
    Format,
    FrequencyReport,
    LoadReport,
    ServiceReport,
    TurnoverReport,
)

router = APIRouter(prefix="/reports", tags=["reports"], route_class=StrictRoute)
Since = Annotated[Moment, Query()]
Until = Annotated[Moment, Query()]
TheFormat = Annotated[Format, Query(alias="format")]
RESPONSES: dict[int | str, dict[str, Any]] = {
    **problems(*READ_PROBLEMS),
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@router.get("/service", response_model=ServiceReport, responses=RESPONSES)
async def service_report(
    by: Annotated[Dimension, Query()],
    since: Since,
    until: Until,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    shape: TheFormat = Format.JSON,
) -> Response:
    """Reaction, handle and solution times, overdue, satisfaction of requests registered in a period."""
    found = await database.read(repository.service(by), repository.of_period(since, until), freshness)
    return shaped(ServiceReport(found.rows), found, shape)


@router.get("/frequency", response_model=FrequencyReport, responses=RESPONSES)
async def frequency_report(
    since: Since,
    until: Until,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    rows: Annotated[int, Query(ge=1, le=1000)] = 100,
    shape: TheFormat = Format.JSON,
) -> Response:
    """The most frequent topics of a period, beside the period before."""
    parameters = {**repository.beside_before(since, until), "rows": rows}
    found = await database.read(repository.FREQUENCY, parameters, freshness)
    return shaped(FrequencyReport(found.rows), found, shape)


@router.get("/load", response_model=LoadReport, responses=RESPONSES)
async def load_report(
    database: TheDatabase,
    freshness: TheFreshness,
    unit: Annotated[Code | None, Query()] = None,
    shape: TheFormat = Format.JSON,
) -> Response:
    """Open and overdue requests by person, beside the capacity."""
    found = await database.read(repository.LOAD, {"unit": unit}, freshness)
    return shaped(LoadReport(found.rows), found, shape)


@router.get("/board", response_model=Board, responses=RESPONSES)
async def board(database: TheDatabase, freshness: TheFreshness, shape: TheFormat = Format.JSON) -> Response:
    """The supervisor's board: every queue as it is now."""
    found = await database.read(repository.BOARD, {}, freshness)
    return shaped(Board(found.rows), found, shape)


def shaped(
    report: ServiceReport | FrequencyReport | ChangeReport | LoadReport | Board | TurnoverReport,
    found: Found[Any],
    shape: Format,
) -> Response:
    """The report, or its rows as CSV. Of whom it tells is recorded alike."""
    if shape is Format.JSON:
        return shown(report, found)
    disclosure.note(report)
    return Response(as_csv(found.rows), 200, origin(found), "text/csv; charset=utf-8; header=present")


def as_csv(rows: Sequence[Any]) -> str:
    """RFC 4180, with a header when there are rows. No cell is a formula to a spreadsheet."""
    text = io.StringIO()
    records = [asdict(row) for row in rows]
    if records:
        writer = csv.DictWriter(text, records[0].keys())
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in record.items()} for record in records)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
