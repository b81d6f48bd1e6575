"""/api/v1/cards. A number comes in a body only, as addresses stand in the logs of everything on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.card_transactions.schemas import Occurred
from app.cards import service
from app.cards.keys import CardKeys
from app.cards.schemas import (
    Card,
    CardsFound,
    CardStatus,
    CardWithHistory,
    CheckForm,
    IssueForm,
    Limits,
    NumberForm,
    Purchases,
    ReasonForm,
    ReplaceForm,
    Verdict,
)
from app.database.answer import Command
from app.errors import Problem, ProblemError
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
from app.pagination import DEFAULT_LIMIT, Cursor, KeyCursor, Limit, Page
from app.problems import problems

router = APIRouter(prefix="/cards", tags=["cards"], route_class=StrictRoute)


async def card_keys(request: Request) -> CardKeys:
    keys = cast("CardKeys | None", request.app.state.card_keys)
    if keys is None:
        raise ProblemError(Problem.CARDS_CLOSED, "this installation has no CRM_CARD_KEYS")
    return keys


TheKeys = Annotated[CardKeys, Depends(card_keys)]


async def sealed_command(command: KeyedCommand, keys: TheKeys) -> Command:
    """The fingerprint is stored: of a body with a number it is made under a key."""
    return replace(command, fingerprint=keys.fingerprint(command.fingerprint))


SealedCommand = Annotated[Command, Depends(sealed_command)]
NUMBER_PROBLEMS = (*WRITE_PROBLEMS, Problem.ALREADY_EXISTS, Problem.CARDS_CLOSED)
MOVE_PROBLEMS = problems(*WRITE_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE)


@router.post(
    "",
    status_code=201,
    response_model=Card,
    responses=problems(*NUMBER_PROBLEMS, Problem.UNKNOWN_CUSTOMER),
)
async def issue_card(
    form: IssueForm, command: SealedCommand, keys: TheKeys, database: TheDatabase
) -> Response:
    """Issue a card to a customer. The number is not shown again; the token stands for it."""
    return written(await service.issue(database, command, keys, form))


@router.post("/search", response_model=CardsFound, responses=problems(*READ_PROBLEMS, Problem.CARDS_CLOSED))
async def search_cards(
    form: NumberForm, keys: TheKeys, database: TheDatabase, freshness: TheFreshness
) -> Response:
    """The card with a number."""
    cards, found = await service.search(database, keys, form.card_number, freshness)
    return shown(cards, found)


@router.post("/check", response_model=Verdict, responses=problems(*ONE_PROBLEMS))
async def check_purchase(form: CheckForm, database: TheDatabase, freshness: TheFreshness) -> Response:
    """Whether a purchase may be made: the card's state, and its limits beside what it has bought."""
    verdict, found = await service.check(database, form, freshness)
    return shown(verdict, found)


@router.get("", response_model=Page[Card], responses=problems(*LIST_PROBLEMS))
async def list_cards(
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    customer_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[CardStatus | None, Query()] = None,
) -> Response:
    """Cards, newest first."""
    given = {"customer_id": customer_id, "status": status}
    filters = {name: str(value) for name, value in given.items() if value is not None}
    page, found = await service.page(database, freshness, filters, limit=limit, cursor=cursor)
    return shown(page, found)


@router.get("/{card_id}", response_model=CardWithHistory, responses=problems(*ONE_PROBLEMS))
async def get_card(card_id: UUID, database: TheDatabase, freshness: TheFreshness) -> Response:
    """One card and what has happened to it."""
    card, found = await service.get(database, card_id, freshness)
    return shown(card, found, {"ETag": etag(card.card.version)})


@router.get(
    "/{card_id}/transactions",
    response_model=Purchases,
    responses=problems(*LIST_PROBLEMS, Problem.NOT_FOUND),
)
async def list_card_transactions(
    card_id: UUID,
    since: Annotated[Occurred, Query()],
    until: Annotated[Occurred, Query()],
    database: TheDatabase,
    freshness: TheFreshness,
    *,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Response:
    """What was bought with a card in a period, newest first."""
    first: datetime = since
    items, found = await service.purchases(
        database, card_id, freshness, since=first, until=max(first, until), limit=limit, cursor=cursor
    )
    return shown(items, found)


@router.post("/{card_id}/block", response_model=Card, responses=MOVE_PROBLEMS)
async def block_card(
    card_id: UUID, form: ReasonForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """No purchase is allowed from here on. A card that is blocked stays so."""
    return written(await service.block(database, command, card_id, form.reason))


@router.post("/{card_id}/unblock", response_model=Card, responses=MOVE_PROBLEMS)
async def unblock_card(
    card_id: UUID, form: ReasonForm, command: KeyedCommand, database: TheDatabase
) -> Response:
    """Purchases are allowed again, within the limits."""
    return written(await service.unblock(database, command, card_id, form.reason))


@router.put(
    "/{card_id}/limits",
    response_model=Card,
    responses=problems(
        *WRITE_PROBLEMS,
        Problem.NOT_FOUND,
        Problem.WRONG_STATE,
        Problem.VERSION_MISMATCH,
        Problem.IF_MATCH_MISSING,
    ),
)
async def put_limits(
    card_id: UUID, form: Limits, command: OptionalCommand, database: TheDatabase, if_match: IfMatch
) -> Response:
    """Replace the limits as a whole."""
    return written(await service.limit(database, command, card_id, expected=if_match, limits=form))


@router.post(
    "/{card_id}/replace",
    status_code=201,
    response_model=Card,
    responses=problems(*NUMBER_PROBLEMS, Problem.NOT_FOUND, Problem.WRONG_STATE),
)
async def replace_card(
    card_id: UUID, form: ReplaceForm, command: SealedCommand, keys: TheKeys, database: TheDatabase
) -> Response:
    """Issue a new card in the place of this one, which ends."""
    return written(await service.swap(database, command, keys, card_id, form))
