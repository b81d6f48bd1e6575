"""The SQL of card transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import TupleRow

from app.card_transactions.schemas import TransactionForm
from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import now

PRIMARY_KEY = "card_transaction_pkey"

_NAMES = tuple(TransactionForm.model_fields)


@dataclass(frozen=True, slots=True)
class OfCard:
    """A transaction, and the card that it was made with: None where we know none by that token."""

    transaction: TransactionForm
    card_id: UUID | None


def _transaction(row: TupleRow) -> TransactionForm:
    """Stored rows were validated when they came."""
    return TransactionForm.model_construct(**dict(zip(_NAMES, row, strict=True)))


def _of_card(row: TupleRow) -> OfCard:
    return OfCard(_transaction(row[:-1]), row[-1])


# The register of ids knows the card and the moment, which lead to the one month and the one index.
_COLUMNS = ", ".join(f"d.{name}" for name in _NAMES)
_FROM = """
FROM crm.card_transaction k
JOIN crm.card_transaction_detail d
  ON d.card_token = k.card_token AND d.occurred_at = k.occurred_at AND d.processing_id = k.processing_id
"""
BY_ID = Read(
    f"""
    SELECT {_COLUMNS}, c.id {_FROM} LEFT JOIN crm.card c ON c.token = d.card_token
    WHERE {READ_GATE} AND k.processing_id = %(processing_id)s""",
    _of_card,
)

# Functions, as the tables behind them change while this release serves (migrations 0070 and 0079).
_TAKE = """
SELECT crm.take_card_transaction(
    %(processing_id)s, %(card_token)s, %(station)s, %(product)s, %(quantity)s, %(amount)s, %(currency)s,
    %(occurred_at)s, %(received_at)s)
"""
_TAKE_NEW = """
SELECT crm.take_card_transactions(
    %(processing_id)s::text[], %(card_token)s::text[], %(station)s::text[], %(product)s::text[],
    %(quantity)s::numeric[], %(amount)s::numeric[], %(currency)s::text[], %(occurred_at)s::timestamptz[],
    %(received_at)s)
"""
_STORED = f"SELECT {_COLUMNS} {_FROM} WHERE k.processing_id = ANY(%(ids)s)"


async def insert(unit: WriteUnit, transaction: TransactionForm) -> None:
    """Queued. One that is there already breaks PRIMARY_KEY."""
    await unit.queue(_TAKE, {**transaction.model_dump(), "received_at": now()})


async def insert_new(unit: WriteUnit, transactions: Sequence[TransactionForm]) -> frozenset[str]:
    """Store those that are not there yet; returns their ids.

    Sorted: two overlapping batches at once then wait for each other in the same order, and never in a ring.
    """
    ordered = sorted(transactions, key=lambda transaction: transaction.processing_id)
    columns = {name: [getattr(transaction, name) for transaction in ordered] for name in _NAMES}
    rows = await unit.all(_TAKE_NEW, {**columns, "received_at": now()}, lambda row: str(row[0]))
    return frozenset(rows)


async def stored(unit: WriteUnit, ids: Sequence[str]) -> dict[str, TransactionForm]:
    rows = await unit.all(_STORED, {"ids": list(ids)}, _transaction)
    return {row.processing_id: row for row in rows}
