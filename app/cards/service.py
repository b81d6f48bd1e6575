"""What can be done with cards: issue, block, unblock, limit, replace, find, ask before a purchase."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from app import pagination
from app.cards import events, repository, rules
from app.cards.keys import CardKeys
from app.cards.numbers import CardNumber, new_token
from app.cards.schemas import (
    Card,
    CardEventKind,
    CardsFound,
    CardStatus,
    CardWithHistory,
    CheckForm,
    IssueForm,
    Limits,
    Purchase,
    Purchases,
    ReplaceForm,
    Usage,
    Verdict,
)
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, not_found
from app.http import BASE, created, etag
from app.identity import new_id, now
from app.pagination import Page

PATH = f"{BASE}/cards"


def address(id_: UUID) -> str:
    return f"{PATH}/{id_}"


async def issue(database: Database, command: Command, keys: CardKeys, form: IssueForm) -> Committed:
    """Raises ProblemError: already-exists, unknown-customer."""
    card = _new(
        form.card_number, now(), customer_id=form.customer_id, contract=form.contract, limits=form.limits
    )

    async def work(unit: WriteUnit) -> Answer:
        await _store(unit, keys, card, form.card_number)
        await _record(unit, card, CardEventKind.ISSUED, command.principal, None)
        return created(address(card.id), card.version, card)

    try:
        return await database.write(command, work)
    except psycopg.errors.UniqueViolation as error:
        raise await _taken(database, command, keys, form.card_number, error) from error


def _new(
    number: CardNumber,
    at: datetime,
    *,
    customer_id: UUID,
    contract: str | None,
    limits: Limits,
    replaces: UUID | None = None,
) -> Card:
    return Card(
        id=new_id(),
        token=new_token(),
        bin=number.bin,
        last_four=number.last_four,
        customer_id=customer_id,
        contract=contract,
        status=CardStatus.ACTIVE,
        replaces=replaces,
        limits=limits,
        version=1,
        created_at=at,
        changed_at=at,
    )


async def _record(unit: WriteUnit, card: Card, kind: CardEventKind, actor: str, reason: str | None) -> None:
    """Into the card's history, and out to whoever follows it."""
    await repository.add_event(unit, card, kind, actor, reason)
    await events.tell(unit, kind, card)


async def _store(unit: WriteUnit, keys: CardKeys, card: Card, number: CardNumber) -> None:
    if not await repository.insert(unit, card, keys.seal(number, card.id), keys.lookups(number)):
        wrong = FieldError("/customer_id", "unknown-customer", "no customer with this id")
        raise ProblemError(Problem.UNKNOWN_CUSTOMER, wrong.detail, errors=[wrong])


async def _taken(
    database: Database, command: Command, keys: CardKeys, number: CardNumber, error: psycopg.IntegrityError
) -> Exception:
    """The 409 with the way to the card that has this number, if the asker may see it."""
    if error.diag.constraint_name != repository.NUMBER_CONSTRAINT:
        return error
    found = await find(database, keys, number, Freshness(command.trace))
    existing = None if found.first is None else address(found.first.id)
    return ProblemError(Problem.ALREADY_EXISTS, "a card with this number was issued", existing=existing)


async def _move(
    database: Database,
    command: Command,
    id_: UUID,
    change: Callable[[Card], Card],
    *,
    kind: CardEventKind,
    reason: str | None = None,
) -> Committed:
    """Change a card under its lock; where nothing changes, nothing is written down."""

    async def work(unit: WriteUnit) -> Answer:
        card = await repository.lock(unit, id_)
        if card is None:
            raise not_found("card")
        changed = change(card)
        if changed is not card:
            await repository.update(unit, changed)
            await _record(unit, changed, kind, command.principal, reason)
        return Answer(200, encode(changed), {"ETag": etag(changed.version)})

    return await database.write(command, work)


async def block(database: Database, command: Command, id_: UUID, reason: str) -> Committed:
    """From the commit on no check allows anything. Idempotent whatever the key."""
    change, kind = _into(CardStatus.BLOCKED), CardEventKind.BLOCKED
    return await _move(database, command, id_, change, kind=kind, reason=reason)


async def unblock(database: Database, command: Command, id_: UUID, reason: str) -> Committed:
    change, kind = _into(CardStatus.ACTIVE), CardEventKind.UNBLOCKED
    return await _move(database, command, id_, change, kind=kind, reason=reason)


def _into(status: CardStatus) -> Callable[[Card], Card]:
    moment = now()
    return lambda card: rules.with_status(card, status, moment)


async def limit(
    database: Database, command: Command, id_: UUID, *, expected: str, limits: Limits
) -> Committed:
    moment = now()

    def change(card: Card) -> Card:
        if expected not in ("*", etag(card.version)):
            raise ProblemError(Problem.VERSION_MISMATCH, f"the present version is {etag(card.version)}")
        return rules.with_limits(card, limits, moment)

    return await _move(database, command, id_, change, kind=CardEventKind.LIMITED)


async def swap(
    database: Database, command: Command, keys: CardKeys, id_: UUID, form: ReplaceForm
) -> Committed:
    """A new card in the place of a lost or worn one; the old one ends in the same moment."""
    number, moment = form.card_number, now()

    async def work(unit: WriteUnit) -> Answer:
        old = await repository.lock(unit, id_)
        if old is None:
            raise not_found("card")
        ended = rules.ended(old, moment)
        card = _new(
            number,
            moment,
            customer_id=old.customer_id,
            contract=old.contract,
            limits=old.limits,
            replaces=old.id,
        )
        await repository.update(unit, ended)
        await _record(unit, ended, CardEventKind.REPLACED, command.principal, form.reason)
        await _store(unit, keys, card, number)
        await _record(unit, card, CardEventKind.ISSUED, command.principal, form.reason)
        return created(address(card.id), card.version, card)

    try:
        return await database.write(command, work)
    except psycopg.errors.UniqueViolation as error:
        raise await _taken(database, command, keys, number, error) from error


async def find(database: Database, keys: CardKeys, number: CardNumber, freshness: Freshness) -> Found[Card]:
    parameters = repository.hashes(keys.lookups(number))
    return await database.read(repository.BY_NUMBER, parameters, freshness)


async def search(
    database: Database, keys: CardKeys, number: CardNumber, freshness: Freshness
) -> tuple[CardsFound, Found[Card]]:
    found = await find(database, keys, number, freshness)
    return CardsFound(found.rows), found


async def get(
    database: Database, id_: UUID, freshness: Freshness
) -> tuple[CardWithHistory, Found[CardWithHistory]]:
    found = await database.read(repository.WITH_HISTORY, {"id": id_}, freshness)
    return found.one("card"), found


async def page(
    database: Database, freshness: Freshness, filters: dict[str, str], *, limit: int, cursor: str | None
) -> tuple[Page[Card], Found[Card]]:
    """`filters`: by the names in repository.FILTERS."""
    statement = repository.page(frozenset(filters))
    return await pagination.read(
        database, freshness, statement, filters, path=PATH, query=filters, limit=limit, cursor=cursor
    )


async def check(
    database: Database, form: CheckForm, freshness: Freshness
) -> tuple[Verdict, Found[tuple[Card, Usage]]]:
    """Whether a purchase may be made; the purchase itself comes with the feed."""
    moment = form.occurred_at or now()
    day, month = rules.day_and_month(moment)
    parameters = {"token": form.token, "day": day, "month": month, "moment": moment}
    found = await database.read(repository.USAGE, parameters, freshness)
    card, used = found.one("card")
    refused = rules.refusal(card, used, form)
    return Verdict(refused is None, refused), found


async def purchases(
    database: Database,
    id_: UUID,
    freshness: Freshness,
    *,
    since: datetime,
    until: datetime,
    limit: int,
    cursor: str | None,
) -> tuple[Purchases, Found[Purchase]]:
    """A period of a card's transactions, newest first."""
    before, before_id = _position(cursor, until)
    parameters = {
        "id": id_,
        "since": since,
        "until": until,
        "before": before,
        "before_id": before_id,
        "rows": limit + 1,
    }
    found = await database.read(repository.PURCHASES, parameters, freshness)
    query = {"since": since.isoformat(), "until": until.isoformat(), "limit": str(limit)}
    path = f"{address(id_)}/transactions"
    made = pagination.keyed_page(
        found.rows, limit, path, query, lambda bought: [bought.occurred_at.isoformat(), bought.processing_id]
    )
    return Purchases(made.items, made.next), found


def _position(cursor: str | None, until: datetime) -> tuple[datetime, str]:
    if cursor is None:
        return until, ""
    moment, id_ = pagination.decode_key(cursor, 2)
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), id_
    except (ValueError, OverflowError):
        raise pagination.cursor_invalid() from None
