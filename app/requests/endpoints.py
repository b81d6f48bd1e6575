"""/api/v1/requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.directory.model import Code
from app.errors import Problem
from app.fields import Form, Opaque, Short
from app.http import (
    LIST_PROBLEMS,
    ONE_PROBLEMS,
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
from app.requests import moves, service
from app.requests.moves import Move
from app.requests.schemas import (
    AssignForm,
    Assignment,
    CloseForm,
    CustomerRequest,
    ExternalForm,
    HandOverForm,
    RatingForm,
    RequestForm,
    RequestWithHistory,
    Status,
    StepForm,
    TakeForm,
)
from app.sla.overdue import Deadline

router = APIRouter(prefix="/requests", tags=["requests"], route_class=StrictRoute)


async def request_filters(
    *,
    status: Annotated[Status | None, Query()] = None,
    customer_id: Annotated[UUID | None, Query()] = None,
    assignee: Annotated[Short | None, Query()] = None,
    unit: Annotated[Code | None, Query()] = None,
    queue: Annotated[Code | None, Query()] = None,
    topic: Annotated[Code | None, Query()] = None,
    external_reference: Annotated[Opaque | None, Query()] = None,
    follows: Annotated[UUID | None, Query(description="The request for which they go on")] = None,
    zone_of: Annotated[Code | None, Query(description="Units this person heads, and those below")] = None,
    overdue: Annotated[Deadline | None, Query(description="Open, and past this deadline now")] = None,
) -> dict[str, str]:
    """Those that were given, by their names in repository.FILTERS."""
    given = {
        "status": status,
        "customer_id": customer_id,
        "assignee": assignee,
        "unit": unit,
        "queue": queue,
        "topic": topic,
        "external_reference": external_reference,
        "follows": follows,
        "zone_of": zone_of,
        "overdue": overdue,
    }
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


@router.get("", response_model=Page[CustomerRequest], responses=problems(*LIST_PROBLEMS))
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


@router.get("/{request_id}", response_model=RequestWithHistory, responses=problems(*ONE_PROBLEMS))
async def get_request(request_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """One request with its history."""
    request, found = await service.get(database, request_id, freshness)
    return shown(request, found, {"ETag": etag(request.version)})


@router.get(
    "/{request_id}/assignment",
    response_model=Assignment,
    responses=problems(*ONE_PROBLEMS),
)
async def get_assignment(request_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """Who got the request, by which rule, and why the rules before it did not fit."""
    assignment, found = await service.assignment(database, request_id, freshness)
    return shown(assignment, found)


F = TypeVar("F", bound=Form)


def _move_route(name: str, form: type[F], move: Callable[[F], Move], says: str) -> None:
    """POST /{request_id}/<name>. FastAPI reads the form's type from the annotations."""

    async def endpoint(
        request_id: UUID, form: Form, command: KeyedCommand, database: TheDatabase
    ) -> Response:
        return written(await moves.make(database, command, request_id, move(cast("F", form))))

    endpoint.__annotations__["form"] = form
    router.add_api_route(
        f"/{{request_id}}/{name}",
        endpoint,
        methods=["POST"],
        name=f"{name.replace('-', '_')}_request",
        description=says,
        response_model=CustomerRequest,
        responses=MOVE_PROBLEMS,
    )


_move_route("take", TakeForm, moves.take, "An operator takes a new request.")
_move_route("close", CloseForm, moves.close, "Close a request with its resolution.")
_move_route("assign", AssignForm, moves.assign, "A head gives an open request to another.")
_move_route("escalate", StepForm, moves.escalate, "Pass a request to the next line of support.")
_move_route("hand-over", HandOverForm, moves.hand_over, "Hand a request over to another system.")
_move_route("external-status", ExternalForm, moves.external_status, "The other system tells its status.")
_move_route("return", StepForm, moves.give_back, "The other system gives the request back.")
_move_route("wait", StepForm, moves.wait, "The customer is asked; the clock stands still.")
_move_route("resume", StepForm, moves.resume, "The customer answered; the clock runs again.")
_move_route(
    "rating", RatingForm, partial(moves.rate, actor="customer"), "The customer rates a closed request."
)
