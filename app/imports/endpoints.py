"""/api/v1/imports."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from app.database.answer import Command
from app.encoding import encode
from app.errors import Problem, ProblemError
from app.http import (
    JSON,
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    RequiredKey,
    TheDatabase,
    TheFreshness,
    freshness,
    shown,
    trace_of,
)
from app.imports import service
from app.imports.schemas import MEDIA_TYPES, Format, Job, Rejections
from app.pagination import DEFAULT_LIMIT, Limit
from app.problems import problems
from app.security import CurrentPrincipal
from app.settings import Settings

router = APIRouter(prefix="/imports", tags=["bulk loads"])

_STREAM = {"schema": {"type": "string"}}


def _format(request: Request) -> Format:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise ProblemError(Problem.UNSUPPORTED_MEDIA_TYPE, "send text/csv or application/x-ndjson, in UTF-8")
    return MEDIA_TYPES[media_type]


@router.post(
    "",
    status_code=202,
    response_model=Job,
    responses=problems(*WRITE_PROBLEMS),
    openapi_extra={"requestBody": {"required": True, "content": dict.fromkeys(MEDIA_TYPES, _STREAM)}},
)
async def load_customers(
    request: Request, key: RequiredKey, principal: CurrentPrincipal, database: TheDatabase
) -> Response:
    """Take in a file of customers of any size; the same key again goes on where the connection broke off."""
    settings = cast("Settings", request.app.state.settings)
    command = Command(trace_of(request), principal.id, None, b"", settings.request_deadline_seconds)
    receiver = service.Receiver(database, command, key, _format(request))
    try:
        id_ = await receiver.receive(request.stream())
    except ClientDisconnect:
        raise ProblemError(
            Problem.MALFORMED, "the stream broke off; send it again with the same key"
        ) from None
    job, _ = await service.get(database, id_, await freshness(request))
    return Response(encode(job), 202, {"Location": f"{service.PATH}/{id_}"}, JSON)


@router.get("/{import_id}", response_model=Job, responses=problems(*ONE_PROBLEMS))
async def get_import(import_id: UUID, database: TheDatabase, fresh: TheFreshness) -> Response:
    """How far a bulk load is."""
    job, found = await service.get(database, import_id, fresh)
    return shown(job, found)


@router.get(
    "/{import_id}/rejections",
    response_model=Rejections,
    responses=problems(*ONE_PROBLEMS),
)
async def list_rejections(
    import_id: UUID,
    database: TheDatabase,
    fresh: TheFreshness,
    limit: Limit = DEFAULT_LIMIT,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> Response:
    """Every row that was not loaded, with the line as it came and what is wrong with it."""
    _, found = await service.get(database, import_id, fresh)
    return shown(await service.rejections(database, import_id, fresh, above=after, limit=limit), found)
