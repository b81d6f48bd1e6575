"""Letters, files and articles of a request; the intake of channels."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from app import pagination
from app.directory.model import Kept
from app.errors import Problem
from app.http import (
    FILE,
    LIST_PROBLEMS,
    ONE_PROBLEMS,
    WRITE_PROBLEMS,
    KeyedCommand,
    StrictRoute,
    TheDatabase,
    TheFreshness,
    TheSettings,
    downloaded,
    shown,
    written,
)
from app.knowledge import repository as knowledge
from app.knowledge.schemas import ArticleForm
from app.pagination import DEFAULT_LIMIT, Cursor, Limit, Page
from app.problems import problems
from app.requests import attachments, correspondence, dossier, service
from app.requests.attachments import Attachment, AttachmentForm
from app.requests.channels import Channel
from app.requests.dossier import InboundForm
from app.requests.schemas import Message, MessageForm

router = APIRouter(tags=["requests"], route_class=StrictRoute)
OF_REQUEST = problems(*ONE_PROBLEMS)
PAGED = problems(*LIST_PROBLEMS, Problem.NOT_FOUND)
ADDING = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.ALREADY_EXISTS, Problem.WRONG_STATE)


@router.post("/channels/{channel}/messages", status_code=201, response_model=Message, responses=ADDING)
async def receive_message(
    channel: Channel, form: InboundForm, command: KeyedCommand, database: TheDatabase, settings: TheSettings
) -> Response:
    """What arrived by a channel becomes a request, or continues one. `Location` is the request's."""
    return written(await dossier.receive(database, command, channel, form, settings.reopen_within))


@router.post("/requests/{request_id}/messages", status_code=201, response_model=Message, responses=ADDING)
async def write_message(
    request_id: UUID, form: MessageForm, command: KeyedCommand, database: TheDatabase, settings: TheSettings
) -> Response:
    """A letter from or to the customer, or a note among colleagues.

    The customer's reopens a request that was closed not long ago; for an older one another request goes on,
    which `request_id` of the answer names.
    """
    return written(await dossier.write(database, command, request_id, form, settings.reopen_within))


@router.get("/requests/{request_id}/messages", response_model=Page[Message], responses=PAGED)
async def list_messages(
    request_id: UUID,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Its correspondence, oldest first."""
    page, found = await pagination.read(
        database,
        freshness,
        correspondence.OF_REQUEST,
        {"id": request_id},
        path=f"{service.PATH}/{request_id}/messages",
        query={},
        limit=limit,
        cursor=cursor,
        oldest_first=True,
    )
    return shown(page, found)


@router.post(
    "/requests/{request_id}/attachments", status_code=201, response_model=Attachment, responses=ADDING
)
async def attach_file(
    request_id: UUID, form: AttachmentForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Attach a file; its content must be what its type says."""
    return written(await dossier.attach(database, command, request_id, form))


@router.get("/requests/{request_id}/attachments", response_model=Page[Attachment], responses=PAGED)
async def list_attachments(
    request_id: UUID,
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Files of a request, without their content, oldest first."""
    page, found = await pagination.read(
        database,
        freshness,
        attachments.OF_REQUEST,
        {"id": request_id},
        path=f"{service.PATH}/{request_id}/attachments",
        query={},
        limit=limit,
        cursor=cursor,
        oldest_first=True,
    )
    return shown(page, found)


@router.get(
    "/attachments/{attachment_id}",
    response_class=Response,
    responses={**problems(*ONE_PROBLEMS), **FILE},
)
async def get_attachment(attachment_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """The file."""
    found = await database.read(attachments.CONTENT, {"id": attachment_id}, freshness)
    file = found.one("attachment")
    return downloaded(file.name, file.media_type, file.sha256, file.content, found)


@router.get("/requests/{request_id}/articles", response_model=list[Kept[ArticleForm]], responses=OF_REQUEST)
async def list_articles(request_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """Hints and instructions for the topic of the request."""
    found = await database.read(knowledge.FOR_REQUEST, {"id": request_id}, freshness)
    return shown([article.model_dump(mode="json") for article in found.rows], found)
