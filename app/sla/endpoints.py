"""/api/v1/calendars, /api/v1/regions and the sweep of overdue requests."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.directory.endpoints import router_of
from app.http import WRITE_PROBLEMS, KeyedCommand, StrictRoute, TheDatabase, written
from app.problems import problems
from app.sla import overdue
from app.sla.schemas import CALENDARS, REGIONS

sweeps = APIRouter(prefix="/overdue", tags=["sla"], route_class=StrictRoute)


@sweeps.post("/sweeps", response_model=overdue.Sweep, responses=problems(*WRITE_PROBLEMS))
async def sweep_overdue(command: KeyedCommand, database: TheDatabase) -> Response:
    """Find what became overdue, and tell the heads. For the worker; harmless to repeat."""
    return written(await overdue.sweep(database, command))


routers = (router_of(CALENDARS), router_of(REGIONS), sweeps)
