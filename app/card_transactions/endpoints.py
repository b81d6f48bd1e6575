"""/api/v1/card-transactions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.audit import disclosure
from app.card_transactions import service
from app.card_transactions.schemas import BatchForm, BatchReceived, Received, TransactionForm
from app.errors import Problem
from app.fields import Opaque
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

router = APIRouter(prefix="/card-transactions", tags=["card transactions"], route_class=StrictRoute)

FEED_PROBLEMS = problems(*WRITE_PROBLEMS, Problem.TRANSACTION_CONFLICT)


@router.post(
    "",
    status_code=201,
    response_model=Received,
    responses={200: {"model": Received, "description": "It was there already, the same"}, **FEED_PROBLEMS},
)
async def receive_transaction(
    form: TransactionForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Take in one transaction; however often it is sent, it is stored once."""
    return written(await service.receive(database, command, form))


@router.post("/batch", response_model=BatchReceived, responses=FEED_PROBLEMS)
async def receive_batch(form: BatchForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Take in up to a thousand transactions, all or none; those that are there already are named."""
    return written(await service.receive_batch(database, command, form))


@router.get("/{processing_id}", response_model=TransactionForm, responses=problems(*ONE_PROBLEMS))
async def get_transaction(
    processing_id: Annotated[Opaque, Path()], database: TheDatabase, freshness: TheFreshness
) -> Response:
    """One transaction."""
    of_card, found = await service.get(database, processing_id, freshness)
    if of_card.card_id is not None:
        disclosure.name([f"cards/{of_card.card_id}"])
    return shown(of_card.transaction.model_dump(), found)
