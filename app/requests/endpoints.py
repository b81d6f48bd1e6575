"""/api/v1/requests."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.errors import Problem
from app.fields import Short
from app.http import (
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    etag,
    shown,
    written,
)
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems
from app.requests import service
from app.requests.schemas import (
    CloseForm,
    CustomerRequest,
    RequestForm,
    RequestWithHistory,
    Status,
    TakeForm,
)

router = APIRouter(prefix="/requests", tags=["requests"], route_class=StrictRoute)


async def request_filters(
    status: Annotated[Status | None, Query()] = None,
    customer_id: Annotated[UUID | None, Query()] = None,
    assignee: Annotated[Short | None, Query()] = None,
) -> dict[str, str]:
    """Those that were given, by their names in repository.FILTERS."""
    given = {"status": status, "customer_id": customer_id, "assignee": assignee}
    return {name: str(value) for name, value in given.items() if value is not None}


Filters = Annotated[dict[str, str], Depends(request_filters)]
MOVE_PROBLEMS = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE)


@router.post(
    "",
    status_code=201,
    response_model=CustomerRequest,
    responses=problems(*WRITE_PROBLEMS, Problem.UNKNOWN_CUSTOMER),
)
async def register_request(form: RequestForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Register a request from any channel, of a known customer or not."""
    return written(await service.register(database, command, form))


@router.get(
    "", response_model=Page[CustomerRequest], responses=problems(*READ_PROBLEMS, Problem.CURSOR_INVALID)
)
async def list_requests(
    database: TheDatabase,
    freshness: TheFreshness,
    filters: Filters,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Requests, newest first."""
    page, found = await service.page(database, freshness, filters, limit=limit, cursor=cursor)
    return shown(page, found)


@router.get(
    "/{request_id}", response_model=RequestWithHistory, responses=problems(*READ_PROBLEMS, Problem.NOT_FOUND)
)
async def get_request(request_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """One request with its history."""
    request, found = await service.get(database, request_id, freshness)
    return shown(request, found, {"ETag": etag(request.version)})


@router.post("/{request_id}/take", response_model=CustomerRequest, responses=MOVE_PROBLEMS)
async def take_request(
    request_id: UUID, form: TakeForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """An operator takes a new request."""
    return written(await service.take(database, command, request_id, form))


@router.post("/{request_id}/close", response_model=CustomerRequest, responses=MOVE_PROBLEMS)
async def close_request(
    request_id: UUID, form: CloseForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Close a request in progress with its resolution."""
    return written(await service.close(database, command, request_id, form))
