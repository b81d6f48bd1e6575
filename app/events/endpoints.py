"""/api/v1/events and the description of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import StringConstraints

from app.encoding import encode
from app.errors import Problem
from app.events import feed
from app.events.asyncapi import description
from app.events.feed import FeedPage
from app.events.types import MAX_PATTERNS
from app.http import JSON, LIST_PROBLEMS, StrictRoute, TheDatabase, UnkeyedCommand, written
from app.pagination import DEFAULT_LIMIT, Limit
from app.problems import problems

router = APIRouter(tags=["integration"], route_class=StrictRoute)

TypePattern = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z_-]{1,40}\.(\*|[a-z_-]{1,40}))$")]
"""`request.closed`, `request.*` or `*`."""

After = Annotated[str | None, Query(max_length=64, description="From `next`, or `latest`")]
Types = Annotated[
    list[TypePattern], Query(max_length=MAX_PATTERNS, description="`request.closed`, `request.*` or `*`")
]
FEED_PROBLEMS = problems(*LIST_PROBLEMS, Problem.CURSOR_LOST, Problem.OUTCOME_UNKNOWN)


@router.get("/events", response_model=FeedPage, responses=FEED_PROBLEMS)
async def read_events(
    database: TheDatabase,
    command: UnkeyedCommand,
    after: After = None,
    types: Types = ["*"],  # noqa: B006  # FastAPI copies a default
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Events after a place, in the order in which they were committed. Always from the primary."""
    return written(await feed.page(database, command, after=after, types=types, limit=limit))


@router.get("/asyncapi.json", response_class=Response, include_in_schema=False)
async def asyncapi() -> Response:
    """The description of events (AsyncAPI 3)."""
    return Response(encode(description()), media_type=JSON)
