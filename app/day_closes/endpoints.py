"""/api/v1/day-closes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.day_closes import service
from app.day_closes.schemas import CloseState, DayClose, DayCloseForm, DayCloseInFull, DayClosePage, Looked
from app.errors import Problem
from app.fields import Day
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

router = APIRouter(prefix="/day-closes", tags=["card transactions"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    response_model=DayClose,
    responses={
        200: {"model": DayClose, "description": "It was told already, the same"},
        **problems(*WRITE_PROBLEMS, Problem.ALREADY_EXISTS),
    },
)
async def tell_day_close(form: DayCloseForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """What the processing system has sent of a day, which it closed. A later `closed_at` corrects."""
    return written(await service.tell(database, command, form))


@router.post("/sweeps", response_model=Looked, responses=problems(*WRITE_PROBLEMS))
async def sweep_day_closes(command: OptionalCommand, database: TheDatabase) -> Response:
    """The worker's step: mark days whose close stays away, and compare one that is due."""
    return written(await service.sweep(database, command))


@router.get("", response_model=DayClosePage, responses=problems(*LIST_PROBLEMS))
async def list_day_closes(
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    state: Annotated[CloseState | None, Query()] = None,
    since: Annotated[Day | None, Query()] = None,
    until: Annotated[Day | None, Query(description="Not included")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Response:
    """Days and how their closes compare, the latest first."""
    given = {"state": state, "since": since, "until": until}
    filters = {name: str(value) for name, value in given.items() if value is not None}
    page, found = await service.page(database, freshness, filters, limit=limit, cursor=cursor)
    return shown(page, found)


@router.get("/{day}", response_model=DayCloseInFull, responses=problems(*READ_PROBLEMS, Problem.NOT_FOUND))
async def get_day_close(
    day: Annotated[Day, Path()], database: TheDatabase, freshness: TheFreshness
) -> Response:
    """One day: what was told, and what comparing it has found."""
    close, found = await service.get(database, day, freshness)
    return shown(close, found)
