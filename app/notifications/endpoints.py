"""/api/v1/notifications."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import ServerSentEvent

from app import pagination
from app.access.policy import Role
from app.database.answer import Answer
from app.database.units import WriteUnit
from app.directory.model import Code
from app.encoding import encode
from app.errors import Problem, ProblemError, not_found
from app.http import (
    BASE,
    LIST_PROBLEMS,
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
from app.notifications.stream import Hub, since
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems
from app.security import CurrentPrincipal
from app.streams import EVENTS, lasting, streamed

router = APIRouter(prefix="/notifications", tags=["notifications"], route_class=StrictRoute)


@router.get("", response_model=Page[Notification], responses=problems(*LIST_PROBLEMS))
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
    page, found = await pagination.read(
        database,
        freshness,
        repository.UNREAD if unread else repository.ALL,
        {"recipient": recipient},
        path=f"{BASE}/notifications",
        query={"recipient": recipient, "unread": str(unread).lower()},
        limit=limit,
        cursor=cursor,
    )
    return shown(page, found)


@router.get("/stream", response_class=Response, responses={**problems(*READ_PROBLEMS), **EVENTS})
async def stream_notifications(
    request: Request,
    principal: CurrentPrincipal,
    recipient: Annotated[Code, Query()],
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Response:
    """Live, until they are read. A stream ends after a while; its client comes again with Last-Event-ID."""
    if principal.id != recipient and Role.SYSTEM not in principal.roles:
        raise ProblemError(Problem.FORBIDDEN, "notifications are shown to their recipient")
    hub = cast("Hub", request.app.state.hub)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for notification in hub.follow(recipient, since(last_event_id), lasting(request)):
            data = encode(notification).decode()
            yield ServerSentEvent(data, event="notification", id=str(notification.id))

    return streamed(request, principal, events())


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
