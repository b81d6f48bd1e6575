"""/api/v1/customers."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.access.principal import TRUSTED, current_access
from app.customers import search, service, window
from app.customers.schemas import Checked, Customer, CustomerChange, CustomerForm, Matches
from app.customers.window import Window
from app.errors import Problem
from app.fields import Opaque
from app.http import (
    LIST_PROBLEMS,
    ONE_PROBLEMS,
    READ_PROBLEMS,
    WRITE_PROBLEMS,
    IfMatch,
    KeyedCommand,
    OptionalCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    etag,
    shown,
    written,
)
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems

router = APIRouter(prefix="/customers", tags=["customers"], route_class=StrictRoute)

SearchText = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f]*$",
        description="An identifier or words of the name",
    ),
]
SearchLimit = Annotated[int, Query(ge=1, le=50)]


@router.post(
    "",
    status_code=201,
    response_model=Customer,
    responses=problems(*WRITE_PROBLEMS, Problem.DUPLICATE_CUSTOMER),
)
async def create_customer(form: CustomerForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Register a customer or lead.

    `Twinsite-Likely-Duplicates` says how many cards are probably the same customer; `Link` leads to them.
    """
    return written(await service.create(database, command, form))


@router.post("/check", response_model=Checked, responses=problems(*READ_PROBLEMS))
async def check_customer(form: CustomerForm, database: TheDatabase, freshness: TheFreshness) -> Response:
    """Whether a new customer would double a card, surely or probably. Changes nothing."""
    checked, found = await service.check(database, form, freshness)
    return shown(checked, found)


@router.get("", response_model=Page[Customer], responses=problems(*LIST_PROBLEMS))
async def list_customers(
    database: TheDatabase,
    freshness: TheFreshness,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    external_id: Annotated[Opaque | None, Query()] = None,
) -> Response:
    """Cards, newest first."""
    page, found = await service.page(database, freshness, limit=limit, cursor=cursor, external_id=external_id)
    return shown(page, found)


@router.get("/search", response_model=Matches, responses=problems(*READ_PROBLEMS))
async def search_customers(
    q: SearchText,
    database: TheDatabase,
    freshness: TheFreshness,
    limit: SearchLimit = 20,
    fresh: Annotated[bool, Query(description="From the primary, as of now")] = False,
) -> Response:
    """Cards by any identifier or by words of the name, typing errors forgiven; best first.

    Answered by the nearest replica, which says how old its answer may be.
    """
    freshness = replace(freshness, stale_allowed=not fresh)
    matches, found = await search.search(database, freshness, query=q, limit=limit)
    return shown(matches, found)


@router.get(
    "/{customer_id}",
    response_model=Customer,
    responses={
        308: {"description": "It became part of another card: `Location`", "model": Customer},
        **problems(*ONE_PROBLEMS),
    },
)
async def get_customer(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """One card."""
    card, found = await service.get(database, customer_id, freshness)
    if card.merged_into is not None:
        return shown(card, found, {"Location": service.address(card.merged_into)}, 308)
    return shown(card, found, {"ETag": etag(card.version)})


@router.get(
    "/{customer_id}/window",
    response_model=Window,
    responses={
        308: {"description": "It became part of another card: `Location`", "model": Window},
        **problems(*ONE_PROBLEMS),
    },
)
async def get_window(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """The single window: the card, and what an operator needs of all that belongs to it."""
    names = window.visible(current_access() or TRUSTED)
    whole, found = await window.window(database, customer_id, freshness, names)
    if whole.customer.merged_into is not None:
        return shown(whole, found, {"Location": f"{service.address(whole.customer.merged_into)}/window"}, 308)
    return shown(whole, found, {"ETag": etag(whole.customer.version)})


@router.patch(
    "/{customer_id}",
    response_model=Customer,
    responses=problems(
        *WRITE_PROBLEMS,
        Problem.NOT_FOUND,
        Problem.DUPLICATE_CUSTOMER,
        Problem.WRONG_STATE,
        Problem.VERSION_MISMATCH,
        Problem.IF_MATCH_MISSING,
    ),
)
async def change_customer(
    customer_id: UUID,
    changes: CustomerChange,
    command: OptionalCommand,
    database: TheDatabase,
    if_match: IfMatch,
) -> Response:
    """Change the fields that are sent, if the card still has the version that the client has seen."""
    return written(await service.change(database, command, customer_id, if_match, changes))
