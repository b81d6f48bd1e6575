"""What can be done with points: redeem, correct, reverse, move to another customer, look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

import psycopg

from app import pagination
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.execution import Work
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import Problem, ProblemError, not_found
from app.http import BASE
from app.identity import new_id, now
from app.loyalty import events, repository
from app.loyalty.events import PointsBooked
from app.loyalty.repository import CORRECTED, REDEEMED, NewEntry, Posting, moved
from app.loyalty.schemas import Account, CorrectionForm, EntryKind, LedgerEntry, RedemptionForm
from app.pagination import Page

PATH = f"{BASE}/loyalty-accounts"


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry that was made, and what its customer has after it."""

    entry: LedgerEntry
    balance: Decimal


async def redeem(database: Database, command: Command, customer_id: UUID, form: RedemptionForm) -> Committed:
    """Raises ProblemError: not-found, insufficient-points, already-exists."""

    def entry(account: UUID) -> NewEntry:
        postings = moved(-form.points, to=account, by=REDEEMED)
        return _entry(EntryKind.REDEMPTION, form.reference, command.principal, form.note, postings)

    return await _enter(database, command, customer_id, entry)


async def correct(database: Database, command: Command, customer_id: UUID, form: CorrectionForm) -> Committed:
    """Raises ProblemError: not-found, insufficient-points, already-exists."""

    def entry(account: UUID) -> NewEntry:
        postings = moved(form.points, to=account, by=CORRECTED)
        return _entry(EntryKind.CORRECTION, form.reference, command.principal, form.reason, postings)

    return await _enter(database, command, customer_id, entry)


async def _enter(
    database: Database, command: Command, customer_id: UUID, entry: Callable[[UUID], NewEntry]
) -> Committed:
    """An entry of a customer's account, which is locked meanwhile."""

    async def work(unit: WriteUnit) -> Answer:
        account, balance = await _account(unit, customer_id)
        return await _book(unit, customer_id, entry(account), balance)

    return await _write(database, command, work)


async def reverse(
    database: Database, command: Command, customer_id: UUID, entry_id: UUID, reason: str
) -> Committed:
    """An entry that takes another one back, posting by posting.

    Raises ProblemError: not-found, wrong-state (it is a reversal, or was reversed), insufficient-points.
    """

    async def work(unit: WriteUnit) -> Answer:
        wrong = await repository.find(unit, customer_id, entry_id)
        if wrong is None:
            raise not_found("entry")
        if wrong.kind is EntryKind.REVERSAL:
            raise ProblemError(Problem.WRONG_STATE, "a reversal is not reversed", state=wrong.kind)
        _, balance = await _account(unit, customer_id)
        back = [Posting(p.account, -p.amount) for p in await repository.postings(unit, entry_id)]
        entry = _entry(EntryKind.REVERSAL, str(entry_id), command.principal, reason, back)
        return await _book(unit, customer_id, replace(entry, reverses=entry_id), balance, -wrong.points)

    return await _write(database, command, work)


async def transfer(unit: WriteUnit, giver: UUID, taker: UUID, reference: str, actor: str) -> None:
    """Queued: all that one customer has becomes another's, as when two cards of one customer are merged."""
    await repository.transfer(unit, giver, taker, reference, actor)


async def give_back(unit: WriteUnit, giver: UUID, taker: UUID, reference: str, actor: str) -> None:
    """Queued: what a transfer of this reference brought the giver goes back, as far as it was not spent."""
    await repository.give_back(unit, giver, taker, reference, actor)


async def _account(unit: WriteUnit, customer_id: UUID) -> tuple[UUID, Decimal]:
    """The account of a customer within reach and what is on it, locked until the commit.

    That of the card it became part of, if it was merged.
    """
    owner = await repository.owner(unit, customer_id)
    if owner is None:
        raise not_found("customer")
    return (await repository.lock(unit, [owner]))[owner]


def _entry(
    kind: EntryKind, reference: str, actor: str, note: str | None, postings: Sequence[Posting]
) -> NewEntry:
    return NewEntry(new_id(), kind, reference, now(), actor, postings, note)


async def _book(
    unit: WriteUnit, customer_id: UUID, entry: NewEntry, balance: Decimal, points: Decimal | None = None
) -> Answer:
    """`points`: the customer's part, if it is not the first posting."""
    gained = entry.postings[0].amount if points is None else points
    if balance + gained < 0:
        raise _insufficient(balance)
    await repository.post(unit, [entry])
    after = Booked(_shown(entry, gained), balance + gained)
    told = PointsBooked(customer_id, entry.id, entry.kind, gained, after.balance, entry.reference)
    await events.tell(unit, told)
    return Answer(201, encode(after), {"Location": f"{PATH}/{customer_id}/entries"})


def _shown(entry: NewEntry, gained: Decimal) -> LedgerEntry:
    return LedgerEntry(
        entry.id,
        entry.kind,
        gained,
        entry.reference,
        entry.reverses,
        entry.rule,
        entry.occurred_at,
        entry.occurred_at,
        entry.actor,
        entry.note,
    )


def _insufficient(balance: Decimal | None = None) -> ProblemError:
    overdrawn = "the account would be overdrawn"
    detail = overdrawn if balance is None else f"{overdrawn}; there are {balance:f}"
    return ProblemError(Problem.INSUFFICIENT_POINTS, detail)


async def _write(database: Database, command: Command, work: Work) -> Committed:
    try:
        return await database.write(command, work)
    except psycopg.IntegrityError as error:
        raise _explained(error) from error


def _explained(error: psycopg.IntegrityError) -> Exception:
    name = error.diag.constraint_name
    if name == repository.REVERSED_CONSTRAINT:
        return ProblemError(Problem.WRONG_STATE, "the entry was reversed before", state="reversed")
    if name == repository.REFERENCE_CONSTRAINT:
        return ProblemError(Problem.ALREADY_EXISTS, "the reference was booked before")
    if name == repository.OVERDRAFT_CONSTRAINT:
        return _insufficient()
    return error


async def account(
    database: Database, customer_id: UUID, freshness: Freshness
) -> tuple[Account, Found[Account]]:
    found = await database.read(repository.ACCOUNT, {"customer_id": customer_id}, freshness)
    return found.one("customer"), found


async def history(
    database: Database, customer_id: UUID, freshness: Freshness, *, limit: int, cursor: str | None
) -> tuple[Page[LedgerEntry], Found[LedgerEntry]]:
    """Newest first."""
    path, mine = f"{PATH}/{customer_id}/entries", {"customer_id": customer_id}
    return await pagination.read(
        database, freshness, repository.ENTRIES, mine, path=path, query={}, limit=limit, cursor=cursor
    )
