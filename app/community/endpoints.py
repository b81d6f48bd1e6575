"""/api/v1/posts, /members and /conversations."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from app import pagination
from app.community import repository
from app.community.events import HIDDEN, PUBLISHED
from app.community.schemas import (
    Category,
    Conversation,
    Letter,
    LetterForm,
    Members,
    Name,
    Post,
    PostForm,
    PostTold,
    ReadUntil,
)
from app.database.answer import Answer
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, invalid, not_found
from app.events.outbox import publish
from app.events.types import EventType
from app.http import (
    BASE,
    LIST_PROBLEMS,
    READ_PROBLEMS,
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

router = APIRouter(tags=["community"], route_class=StrictRoute)
PAGED = problems(*LIST_PROBLEMS)
OF_ONE = problems(*LIST_PROBLEMS, Problem.NOT_FOUND)
ThePeer = Annotated[Name, Path(description="With whom")]


@router.get("/posts", response_model=Page[Post], responses=PAGED)
async def list_posts(
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    category: Annotated[Category | None, Query()] = None,
    author: Annotated[Name | None, Query()] = None,
) -> Response:
    """The feed, newest first."""
    given = {"category": category, "author": author}
    filters = {name: str(value) for name, value in given.items() if value is not None}
    page, found = await pagination.read(
        database,
        freshness,
        repository.feed(frozenset(filters)),
        filters,
        path=f"{BASE}/posts",
        query=filters,
        limit=limit,
        cursor=cursor,
    )
    return shown(page, found)


@router.post("/posts", status_code=201, response_model=Post, responses=problems(*WRITE_PROBLEMS))
async def add_post(form: PostForm, command: KeyedCommand, database: TheDatabase) -> Response:
    """Tell all clients."""
    post = Post(new_id(), command.principal, form.category, form.text, now(), hidden=False)

    async def work(unit: WriteUnit) -> Answer:
        await repository.add_post(unit, post)
        await _tell(unit, PUBLISHED, post)
        return created(f"{BASE}/posts/{post.id}", None, post)

    return await run(database, command, work)


@router.post(
    "/posts/{post_id}/hide", response_model=Post, responses=problems(*WRITE_PROBLEMS, Problem.NOT_FOUND)
)
async def hide_post(post_id: UUID, command: KeyedCommand, database: TheDatabase) -> Response:
    """Take the own post, or as a moderator any, out of the feed."""

    async def work(unit: WriteUnit) -> Answer:
        post = await repository.hide(unit, post_id)
        if post is None:
            raise not_found("post")
        await _tell(unit, HIDDEN, post)
        return Answer(200, encode(post))

    return await run(database, command, work)


async def _tell(unit: WriteUnit, kind: EventType[PostTold], post: Post) -> None:
    await publish(unit, kind, post.id, PostTold(post.id, post.author, post.category))


@router.get("/members", response_model=Members, responses=problems(*READ_PROBLEMS))
async def list_members(
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    after: Annotated[Name | None, Query()] = None,
) -> Response:
    """Clients with an account in the portal: each is the other's friend."""
    found = await database.read(repository.MEMBERS, {"after": after or "", "rows": limit + 1}, freshness)
    items = found.rows[:limit]
    more = len(found.rows) > limit
    query = urlencode({"limit": limit, "after": items[-1].name}) if more else None
    return shown(Members(items, query and f"{BASE}/members?{query}"), found)


@router.get("/conversations", response_model=Page[Conversation], responses=PAGED)
async def list_conversations(
    database: TheDatabase, freshness: TheFreshness, *, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """With whom one writes, those with the newest letters first."""
    page, found = await pagination.read(
        database,
        freshness,
        repository.CONVERSATIONS,
        {},
        path=f"{BASE}/conversations",
        query={},
        limit=limit,
        cursor=cursor,
    )
    return shown(page, found)


@router.get("/conversations/{peer}/messages", response_model=Page[Letter], responses=OF_ONE)
async def list_letters(
    peer: ThePeer,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """The letters with somebody, newest first."""
    page, found = await pagination.read(
        database,
        freshness,
        repository.LETTERS,
        {"peer": peer},
        path=f"{BASE}/conversations/{peer}/messages",
        query={},
        limit=limit,
        cursor=cursor,
    )
    return shown(page, found)


@router.post(
    "/conversations/{peer}/messages",
    status_code=201,
    response_model=Letter,
    responses=problems(*WRITE_PROBLEMS),
)
async def write_letter(
    peer: ThePeer, form: LetterForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Write to another client."""
    letter = Letter(new_id(), command.principal, peer, form.text, now(), None)

    async def work(unit: WriteUnit) -> Answer:
        if not await repository.add_letter(unit, letter):
            raise invalid(
                [FieldError("path:peer", "unknown", "no other client of this name is in the portal")]
            )
        return created(f"{BASE}/conversations/{peer}/messages", None, letter)

    return await run(database, command, work)


@router.post("/conversations/{peer}/read", response_model=ReadUntil, responses=problems(*WRITE_PROBLEMS))
async def mark_read(peer: ThePeer, command: KeyedCommand, database: TheDatabase) -> Response:
    """All that somebody wrote is read. How many letters that were."""

    async def work(unit: WriteUnit) -> Answer:
        read = await repository.mark_read(unit, command.principal, peer, now())
        return Answer(200, encode(ReadUntil(read)))

    return await run(database, command, work)
