"""The SQL of card transactions."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import TupleRow

from app.card_transactions.schemas import TransactionForm
from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import now

PRIMARY_KEY = "card_transaction_pkey"

_COLUMNS = "processing_id, card_token, station, product, quantity, amount, currency, occurred_at"
_NAMES = tuple(_COLUMNS.split(", "))


def _transaction(row: TupleRow) -> TransactionForm:
    """Stored rows were validated when they came."""
    return TransactionForm.model_construct(**dict(zip(_NAMES, row, strict=True)))


BY_ID = Read(
    f"SELECT {_COLUMNS} FROM crm.card_transaction WHERE {READ_GATE} AND processing_id = %(processing_id)s",
    _transaction,
)

_INSERT = f"""
INSERT INTO crm.card_transaction ({_COLUMNS}, received_at)
VALUES (%(processing_id)s, %(card_token)s, %(station)s, %(product)s, %(quantity)s, %(amount)s, %(currency)s,
        %(occurred_at)s, %(received_at)s)
"""
_INSERT_NEW = f"""
INSERT INTO crm.card_transaction ({_COLUMNS}, received_at)
SELECT t.*, %(received_at)s
FROM unnest(%(processing_id)s::text[], %(card_token)s::text[], %(station)s::text[], %(product)s::text[],
            %(quantity)s::numeric[], %(amount)s::numeric[], %(currency)s::text[],
            %(occurred_at)s::timestamptz[]) AS t
ON CONFLICT (processing_id) DO NOTHING
RETURNING processing_id
"""
_STORED = f"SELECT {_COLUMNS} FROM crm.card_transaction WHERE processing_id = ANY(%(ids)s)"


async def insert(unit: WriteUnit, transaction: TransactionForm) -> None:
    """Queued. One that is there already breaks PRIMARY_KEY."""
    await unit.queue(_INSERT, {**transaction.model_dump(), "received_at": now()})


async def insert_new(unit: WriteUnit, transactions: Sequence[TransactionForm]) -> frozenset[str]:
    """Store those that are not there yet; returns their ids.

    Sorted: two overlapping batches at once then wait for each other in the same order, and never in a ring.
    """
    ordered = sorted(transactions, key=lambda transaction: transaction.processing_id)
    columns = {name: [getattr(transaction, name) for transaction in ordered] for name in _NAMES}
    rows = await unit.all(_INSERT_NEW, {**columns, "received_at": now()}, lambda row: str(row[0]))
    return frozenset(rows)


async def stored(unit: WriteUnit, ids: Sequence[str]) -> dict[str, TransactionForm]:
    rows = await unit.all(_STORED, {"ids": list(ids)}, _transaction)
    return {row.processing_id: row for row in rows}
