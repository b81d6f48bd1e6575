"""/api/v1/notifications."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app import pagination
from app.database.answer import Answer
from app.database.units import WriteUnit
from app.directory.model import Code
from app.encoding import encode
from app.errors import Problem, not_found
from app.http import (
    BASE,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    run,
    shown,
)
from app.identity import now
from app.notifications import repository
from app.notifications.schemas import Notification, Read
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems

router = APIRouter(prefix="/notifications", tags=["notifications"], route_class=StrictRoute)


@router.get("", response_model=Page[Notification], responses=problems(*READ_PROBLEMS, Problem.CURSOR_INVALID))
async def list_notifications(
    recipient: Annotated[Code, Query()],
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    unread: Annotated[bool, Query()] = True,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Of one person, newest first; with `unread` only those that were not read."""
    below = pagination.decode_cursor(cursor)
    parameters = {"recipient": recipient, "below": below, "rows": limit + 1}
    found = await database.read(repository.UNREAD if unread else repository.ALL, parameters, freshness)
    query = {"recipient": recipient, "unread": str(unread).lower(), "limit": str(limit)}
    return shown(pagination.page(found.rows, limit, f"{BASE}/notifications", query), found)


@router.post(
    "/{notification_id}/read", response_model=Read, responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND)
)
async def read_notification(notification_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """It was read. The moment of the first reading is kept."""

    async def work(unit: WriteUnit) -> Answer:
        read_at = await repository.mark_read(unit, notification_id, now())
        if read_at is None:
            raise not_found("notification")
        return Answer(200, encode(Read(notification_id, read_at)))

    return await run(database, command, work)
