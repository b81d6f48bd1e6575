"""The processing feed: each transaction enters exactly once, by the processing system's own id."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from app.card_transactions import repository
from app.card_transactions.repository import OfCard
from app.card_transactions.schemas import BatchForm, BatchReceived, Receipt, Received, TransactionForm
from app.database.answer import Answer, Command, Committed
from app.database.database import Database, Found, Freshness
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid
from app.http import BASE

PATH = f"{BASE}/card-transactions"


async def receive(database: Database, command: Command, form: TransactionForm) -> Committed:
    """One round trip for a new one. One that is there already is compared in a second unit."""

    async def store(unit: WriteUnit) -> Answer:
        await repository.insert(unit, form)
        return Answer(201, encode(Received(form.processing_id, Receipt.ACCEPTED)))

    async def compare(unit: WriteUnit) -> Answer:
        await _same_as_stored(unit, [form])
        return Answer(200, encode(Received(form.processing_id, Receipt.DUPLICATE)))

    try:
        return await database.write(command, store)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != repository.PRIMARY_KEY:
            raise
        return await database.write(command, compare)


async def receive_batch(database: Database, command: Command, form: BatchForm) -> Committed:
    """All or nothing."""
    _refuse_repeated_ids(form.transactions)

    async def work(unit: WriteUnit) -> Answer:
        new = await repository.insert_new(unit, form.transactions)
        known = [item for item in form.transactions if item.processing_id not in new]
        if known:
            await _same_as_stored(unit, known)
        return Answer(200, encode(BatchReceived(len(new), [item.processing_id for item in known])))

    return await database.write(command, work)


async def _same_as_stored(unit: WriteUnit, transactions: Sequence[TransactionForm]) -> None:
    """Raises ProblemError (transaction-conflict) naming those that differ from what is stored."""
    stored = await repository.stored(unit, [item.processing_id for item in transactions])
    different = [item.processing_id for item in transactions if stored.get(item.processing_id) != item]
    if different:
        errors = [FieldError("/processing_id", "transaction-conflict", id_) for id_ in different[:100]]
        raise ProblemError(
            Problem.TRANSACTION_CONFLICT,
            "stored earlier with other content: " + ", ".join(different[:5]),
            errors=errors,
        )


def _refuse_repeated_ids(transactions: Sequence[TransactionForm]) -> None:
    seen: set[str] = set()
    errors = []
    for index, item in enumerate(transactions):
        if item.processing_id in seen:
            errors.append(
                FieldError(f"/transactions/{index}/processing_id", "repeated", "twice in this batch")
            )
        seen.add(item.processing_id)
    if errors:
        raise invalid(errors)


async def get(database: Database, processing_id: str, freshness: Freshness) -> tuple[OfCard, Found[OfCard]]:
    found = await database.read(repository.BY_ID, {"processing_id": processing_id}, freshness)
    return found.one("card transaction"), found
