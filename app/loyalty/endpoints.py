"""/api/v1/loyalty-accounts, /api/v1/accrual-rules, /api/v1/accruals."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app.directory.endpoints import router_of
from app.errors import Problem
from app.http import (
    LIST_PROBLEMS,
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    OptionalCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    shown,
    written,
)
from app.loyalty import accrual, service
from app.loyalty.accrual import Accrued
from app.loyalty.schemas import (
    ACCRUAL_RULES,
    Account,
    CorrectionForm,
    LedgerEntry,
    RedemptionForm,
    ReversalForm,
)
from app.loyalty.service import Booked
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems

accounts = APIRouter(prefix="/loyalty-accounts", tags=["loyalty"], route_class=StrictRoute)
sweeps = APIRouter(prefix="/accruals", tags=["loyalty"], route_class=StrictRoute)
BOOKING = problems(
    *WRITE_PROBLEMS,
    Problem.NOT_FOUND,
    Problem.INSUFFICIENT_POINTS,
    Problem.ALREADY_EXISTS,
    Problem.WRONG_STATE,
)


@accounts.get("/{customer_id}", response_model=Account, responses=problems(*ONE_PROBLEMS))
async def get_account(customer_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """What a customer has."""
    account, found = await service.account(database, customer_id, freshness)
    return shown(account, found)


@accounts.get(
    "/{customer_id}/entries",
    response_model=Page[LedgerEntry],
    responses=problems(*LIST_PROBLEMS, Problem.NOT_FOUND),
)
async def list_entries(
    customer_id: UUID,
    database: TheDatabase,
    freshness: TheFreshness,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """How it came to that, newest first."""
    page, found = await service.history(database, customer_id, freshness, limit=limit, cursor=cursor)
    return shown(page, found)


@accounts.post("/{customer_id}/redemptions", status_code=201, response_model=Booked, responses=BOOKING)
async def redeem_points(
    customer_id: UUID, form: RedemptionForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Take points for something. Never more than there are, however many ask at once."""
    return written(await service.redeem(database, command, customer_id, form))


@accounts.post("/{customer_id}/corrections", status_code=201, response_model=Booked, responses=BOOKING)
async def correct_points(
    customer_id: UUID, form: CorrectionForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Give or take points, with the reason."""
    return written(await service.correct(database, command, customer_id, form))


@accounts.post(
    "/{customer_id}/entries/{entry_id}/reversal", status_code=201, response_model=Booked, responses=BOOKING
)
async def reverse_entry(
    customer_id: UUID, entry_id: UUID, form: ReversalForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Take an entry back by another. Both stay."""
    return written(await service.reverse(database, command, customer_id, entry_id, form.reason))


@sweeps.post("/sweeps", response_model=Accrued, responses=problems(*WRITE_PROBLEMS))
async def sweep_accruals(command: OptionalCommand, database: TheDatabase) -> Response:
    """The worker's step: points for the next thousand transactions of the feed or so."""
    return written(await accrual.sweep(database, command))


routers = (router_of(ACCRUAL_RULES), accounts, sweeps)
