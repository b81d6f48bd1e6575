"""/api/v1/chats. A chat is its customer's: who reaches the customer, and has a rule for chats, takes part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import ServerSentEvent

from app import pagination
from app.chats import repository
from app.chats.events import WRITTEN
from app.chats.schemas import ChatForm, ChatMessage, ChatTold
from app.chats.stream import Chats
from app.database.answer import Answer
from app.database.database import Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import Problem, not_found
from app.events.outbox import publish
from app.http import (
    BASE,
    LIST_PROBLEMS,
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    created,
    run,
    shown,
    trace_of,
)
from app.identity import new_id, now
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems
from app.security import CurrentPrincipal
from app.streams import EVENTS, lasting, streamed

router = APIRouter(prefix="/chats", tags=["chats"], route_class=StrictRoute)
PAGED = problems(*LIST_PROBLEMS)
OF_ONE = problems(*LIST_PROBLEMS, Problem.NOT_FOUND)
EARLIEST = UUID(int=0)  # before every message


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


@router.get("/{customer_id}/messages", response_model=Page[ChatMessage], responses=OF_ONE)
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


@router.get(
    "/{customer_id}/events",
    response_class=Response,
    responses={**problems(*ONE_PROBLEMS), **EVENTS},
)
async def follow_chat(
    request: Request,
    customer_id: UUID,
    database: TheDatabase,
    principal: CurrentPrincipal,
    *,
    after: Annotated[UUID | None, Query(description="The last message that is known already")] = None,
    last_event_id: Annotated[UUID | None, Header(description="The same; goes before `after`")] = None,
) -> Response:
    """A chat live: each message once, as event `message` with its id; without a last one, from now on."""
    freshness = Freshness(trace_of(request))
    found = await database.read(repository.REACHED, {"customer_id": customer_id}, freshness)
    reached = found.one("customer")
    last = last_event_id or after or reached.id or EARLIEST
    chats = cast("Chats", request.app.state.chats)

    async def events() -> AsyncIterator[ServerSentEvent]:
        async for message in chats.follow(reached.chat, last, lasting(request), freshness):
            yield ServerSentEvent(encode(message).decode(), event="message", id=str(message.id))

    return streamed(request, principal, events())


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
        stored = await repository.add(unit, message)
        if stored is None:
            raise not_found("customer")
        chat = stored.customer_id
        await publish(unit, WRITTEN, chat, ChatTold(stored.id, chat, stored.author, stored.of_customer))
        return created(f"{BASE}/chats/{chat}/messages", None, stored)

    return await run(database, command, work)
