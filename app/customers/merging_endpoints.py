"""/api/v1/customers/{id}/duplicates and /merges: from likely duplicates to one card, and back."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app.customers import merging, service
from app.customers.schemas import LikelyCards, Merge, MergeForm, Merges
from app.errors import Problem
from app.http import (
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.problems import problems

router = APIRouter(prefix="/customers/{customer_id}", tags=["customers"], route_class=StrictRoute)
MERGE_PROBLEMS = (*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE)


@router.get("/duplicates", response_model=LikelyCards, responses=problems(*ONE_PROBLEMS))
async def list_duplicates(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """Cards that are probably the same customer, with a score; best first."""
    cards, found = await service.duplicates(database, customer_id, freshness)
    return shown(cards, found)


@router.post(
    "/merges",
    status_code=201,
    response_model=Merge,
    responses=problems(*MERGE_PROBLEMS, Problem.UNKNOWN_CUSTOMER),
)
async def merge_customers(
    customer_id: UUID, form: MergeForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Make another card part of this one: contacts, requests, calls and all else that refers to it."""
    return written(await merging.merge(database, command, customer_id, form))


@router.get("/merges", response_model=Merges, responses=problems(*ONE_PROBLEMS))
async def list_merges(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """What was merged into this card."""
    found = await merging.of_card(database, customer_id, freshness)
    return shown(Merges(found.rows), found)


@router.post(
    "/merges/{merge_id}/undo",
    response_model=Merge,
    responses=problems(*MERGE_PROBLEMS, Problem.DUPLICATE_CUSTOMER, Problem.UNKNOWN_CUSTOMER),
)
async def undo_merge(
    customer_id: UUID, merge_id: UUID, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Give back exactly what was moved."""
    return written(await merging.undo(database, command, customer_id, merge_id))
