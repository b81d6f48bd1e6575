"""The three reads that every noun has, and what its other endpoints share."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response

from app.errors import Problem
from app.http import (
    LIST_PROBLEMS,
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    etag,
    shown,
)
from app.language.catalogue import ENGLISH, wanted
from app.language.display import Display, display
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems
from app.records import service
from app.records.model import Filter, History, Noun
from app.security import shown_now

CREATE_PROBLEMS = problems(*WRITE_PROBLEMS, Problem.UNKNOWN_CUSTOMER, Problem.ALREADY_EXISTS)
MOVE_PROBLEMS = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE)
EDIT_PROBLEMS = problems(
    *WRITE_PROBLEMS,
    Problem.NOT_FOUND,
    Problem.WRONG_STATE,
    Problem.VERSION_MISMATCH,
    Problem.IF_MATCH_MISSING,
)


def router_of(noun: Noun[Any]) -> APIRouter:
    """A router with the noun's list, record and history.

    FastAPI reads types from the annotations, which are set here.
    """
    router = APIRouter(prefix=f"/{noun.name}", tags=[noun.name], route_class=StrictRoute)

    async def filters(given: Filter) -> Filter:
        return given

    filters.__annotations__["given"] = Annotated[noun.filter, Query()]

    async def page(
        database: TheDatabase,
        freshness: TheFreshness,
        wanted: Filter,
        *,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        """Newest first."""
        items, found = await service.page(database, noun, freshness, wanted, limit=limit, cursor=cursor)
        return shown(items, found)

    page.__annotations__["wanted"] = Annotated[noun.filter, Depends(filters)]
    listing: Any = Page[noun.shape]  # type: ignore[name-defined]
    list_problems = problems(*LIST_PROBLEMS)
    router.get("", name=f"list_{noun.name}", response_model=listing, responses=list_problems)(page)
    _add_single(router, noun)
    return router


def _add_single(router: APIRouter, noun: Noun[Any]) -> None:
    responses = problems(*ONE_PROBLEMS)

    @router.get("/{record_id}", name=f"get_{noun.word}", response_model=noun.shape, responses=responses)
    async def get(record_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
        """One of them, as it is now."""
        record, found = await service.get(database, noun, record_id, freshness)
        return shown(record, found, {"ETag": etag(record.version)})

    @router.get(
        "/{record_id}/history",
        name=f"history_of_{noun.word}",
        response_model=History,
        responses=problems(*LIST_PROBLEMS, Problem.NOT_FOUND),
    )
    async def history(
        record_id: UUID,
        database: TheDatabase,
        freshness: TheFreshness,
        *,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        """What happened to it, oldest first."""
        steps, found = await service.history(database, noun, record_id, freshness, limit=limit, cursor=cursor)
        return shown(steps, found)

    @router.get(
        "/{record_id}/display", name=f"display_{noun.word}", response_model=Display, responses=responses
    )
    async def displayed(
        record_id: UUID,
        database: TheDatabase,
        freshness: TheFreshness,
        accept_language: Annotated[str | None, Header(max_length=200)] = None,
    ) -> Response:
        """As people read it: labels, dates, numbers and sums in the accepted language (ru, en, kk)."""
        record, found = await service.get(database, noun, record_id, freshness)
        language = wanted(accept_language) or ENGLISH
        headers = {"Content-Language": language, "Vary": "Accept-Language"}
        return shown(display(shown_now(record), language), found, headers)
