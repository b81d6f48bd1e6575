"""/api/v1/reports/half-months: what the worker kept twice a month. Also as CSV."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.fields import Day
from app.http import ONE_PROBLEMS, READ_PROBLEMS, StrictRoute, TheDatabase, TheFreshness, shown
from app.problems import problems
from app.reports import half_month_sql
from app.reports.endpoints import RESPONSES, TheFormat, shaped
from app.reports.half_month import HalfMonth
from app.reports.schemas import ChangeReport, Format, KeptHalfMonths

router = APIRouter(prefix="/reports/half-months", tags=["reports"], route_class=StrictRoute)


@router.get("", response_model=KeptHalfMonths, responses=problems(*READ_PROBLEMS))
async def list_half_months(database: TheDatabase, freshness: TheFreshness) -> Response:
    """Of which half months the most frequent topics are kept, newest first: those of ten years."""
    found = await database.read(half_month_sql.HALF_MONTHS, {}, freshness)
    return shown(KeptHalfMonths(found.rows), found)


@router.get(
    "/{first_day}",
    response_model=ChangeReport,
    responses={**RESPONSES, **problems(*ONE_PROBLEMS)},
)
async def half_month_report(
    first_day: Day, database: TheDatabase, freshness: TheFreshness, shape: TheFormat = Format.JSON
) -> Response:
    """The most frequent topics of a half month as they were kept when it had ended, beside the one before."""
    parameters = half_month_sql.change_of(HalfMonth.of(first_day))
    found = await database.read(half_month_sql.CHANGE, {**parameters, "first_day": first_day}, freshness)
    return shaped(ChangeReport(found.rows), found, shape)
