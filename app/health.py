"""/health and /metrics. They answer from what the probers saw last, so a dead database cannot slow them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from fastapi import APIRouter, Request, Response

from app import metrics
from app.database.database import Database
from app.database.route import Seen, Sight
from app.encoding import encode
from app.http import JSON, TheDatabase
from app.settings import Settings

router = APIRouter(tags=["operation"])


class Serves(StrEnum):
    WRITES = "writes"
    READS = "reads"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What this process can serve now, and the server it would use for that."""

    serves: Serves
    role: str | None
    timeline: int | None
    lag_bytes: int | None
    site: str
    host: str
    node: str | None


def readiness(
    primary: Sight, replica: Sight | None, *, site: str, host: str, refuses_writes: bool = False
) -> Readiness:
    """Pure. Writes need a primary at the end of the primary route; stale reads any server on either route."""
    for sight in (primary, replica or primary):
        if sight.seen in (Seen.PRIMARY, Seen.STANDBY):
            writes = sight is primary and sight.seen is Seen.PRIMARY and not refuses_writes
            serves = Serves.WRITES if writes else Serves.READS
            return Readiness(
                serves, sight.seen.value, sight.timeline, sight.lag_bytes, site, host, sight.node
            )
    return Readiness(Serves.NOTHING, None, None, None, site, host, None)


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process runs."""
    return {"status": "live"}


@router.get("/health/ready", response_model=Readiness, responses={503: {"model": Readiness}})
async def ready(request: Request, database: TheDatabase) -> Response:
    """Whether this process can serve writes, or at least reads."""
    settings = cast("Settings", request.app.state.settings)
    state = _state(database, settings)
    return Response(encode(state), 503 if state.serves is Serves.NOTHING else 200, media_type=JSON)


def _state(database: Database, settings: Settings) -> Readiness:
    replica = database.replica.sight if database.replica else None
    found = readiness(
        database.primary.sight,
        replica,
        site=settings.site,
        host=settings.host,
        refuses_writes=database.writes_refused,
    )
    held = settings.held_file is not None and settings.held_file.exists()
    return replace(found, serves=Serves.NOTHING) if held else found


@router.get("/metrics", response_class=Response, include_in_schema=False)
async def prometheus() -> Response:
    content, media_type = metrics.exposition()
    return Response(content, media_type=media_type)
