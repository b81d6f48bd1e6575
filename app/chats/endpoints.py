"""/api/v1/chats. A chat is its customer's: who reaches the customer, and has a rule for chats, takes part."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app import pagination
from app.chats import repository
from app.chats.events import WRITTEN
from app.chats.schemas import ChatForm, ChatMessage, ChatTold
from app.database.answer import Answer
from app.database.units import WriteUnit
from app.errors import Problem, not_found
from app.events.outbox import publish
from app.http import (
    BASE,
    LIST_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    created,
    run,
    shown,
)
from app.identity import new_id, now
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems
from app.security import CurrentPrincipal

router = APIRouter(prefix="/chats", tags=["chats"], route_class=StrictRoute)
PAGED = problems(*LIST_PROBLEMS)


@router.get("", response_model=Page[ChatMessage], responses=PAGED)
async def list_chats(
    database: TheDatabase, freshness: TheFreshness, *, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """The last message of each chat, newest first: whom a manager has to answer."""
    page, found = await pagination.read(
        database,
        freshness,
        repository.LATEST,
        {},
        path=f"{BASE}/chats",
        query={},
        limit=limit,
        cursor=cursor,
    )
    return shown(page, found)


@router.get("/{customer_id}/messages", response_model=Page[ChatMessage], responses=PAGED)
async def list_chat(
    customer_id: UUID,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """A chat, newest first."""
    page, found = await pagination.read(
        database,
        freshness,
        repository.CHAT,
        {"customer_id": customer_id},
        path=f"{BASE}/chats/{customer_id}/messages",
        query={},
        limit=limit,
        cursor=cursor,
    )
    return shown(page, found)


@router.post(
    "/{customer_id}/messages",
    status_code=201,
    response_model=ChatMessage,
    responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND),
)
async def write_in_chat(
    customer_id: UUID,
    form: ChatForm,
    command: KeyedCommand,
    principal: CurrentPrincipal,
    database: TheDatabase,
) -> Response:
    """Write to the customer's managers, or as one of them to the customer."""
    message = ChatMessage(
        new_id(), customer_id, principal.id, principal.customer is not None, form.text, now()
    )

    async def work(unit: WriteUnit) -> Answer:
        if not await repository.add(unit, message):
            raise not_found("customer")
        told = ChatTold(message.id, customer_id, message.author, message.of_customer)
        await publish(unit, WRITTEN, customer_id, told)
        return created(f"{BASE}/chats/{customer_id}/messages", None, message)

    return await run(database, command, work)
