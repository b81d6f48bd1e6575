"""Loyalty accounts of the seeded cards' owners, with points to begin with: by double entry, as all are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

import psycopg

from app.identity import new_id
from app.loyalty.repository import CORRECTED, REFERENCE_CONSTRAINT
from app.seeding import estate
from app.seeding.estate import FuelCard
from app.seeding.store import in_batches

# Of a card that was merged meanwhile, the account of the one that it became.
_OWNERS = """
SELECT DISTINCT ON (k.value) k.value, coalesce(o.merged_into, o.id)
FROM crm.exact_key k JOIN crm.customer o ON o.id = k.customer_id
WHERE k.kind = 'external_id' AND k.value = ANY (%s) ORDER BY k.value, o.id
"""
_ACCOUNTS = "SELECT a.owner, a.id FROM crm.lock_ledger_accounts(%s) AS a"
_ENTRIES = f"""
INSERT INTO crm.ledger_entry (id, kind, reference, occurred_at, actor, note, postings)
SELECT t.id, 'correction', t.reference, %(at)s, 'seed', 'welcome', 2
FROM unnest(%(id)s::uuid[], %(reference)s::text[]) AS t (id, reference)
ON CONFLICT ON CONSTRAINT {REFERENCE_CONSTRAINT} DO NOTHING RETURNING id
"""  # noqa: S608  # a constant's name
_POSTINGS = """
INSERT INTO crm.ledger_posting (entry_id, line, account_id, amount)
SELECT t.id, l.line, l.account, l.amount
FROM unnest(%(id)s::uuid[], %(account)s::uuid[], %(points)s::numeric[]) AS t (id, account, points),
     LATERAL (VALUES (1, t.account, t.points), (2, %(giver)s::uuid, -t.points)) AS l (line, account, amount)
"""


def seed_points(dsn: str, count: int, owners: int, seed: int) -> Iterator[int]:
    """For each of so many cards, once. Yields as the others do. Raises psycopg.Error."""
    return in_batches(dsn, estate.cards(seed, count, owners), _store)


def welcome(card: FuelCard) -> Decimal:
    """100 to 1000 points. Pure."""
    return Decimal(int(card.number.last_four) % 10 + 1) * 100


def _store(connection: psycopg.Connection, batch: Sequence[FuelCard]) -> None:
    found: dict[str, UUID] = dict(
        connection.execute(_OWNERS, (sorted({card.owner for card in batch}),)).fetchall()
    )
    accounts: dict[UUID, UUID] = dict(
        connection.execute(_ACCOUNTS, (sorted(set(found.values())),)).fetchall()
    )
    cards = {new_id(): card for card in batch if card.owner in found}
    references = [f"seed:{card.token}" for card in cards.values()]
    entries = {"id": list(cards), "reference": references, "at": estate.FIRST_DAY}
    new = [id_ for (id_,) in connection.execute(_ENTRIES, entries).fetchall()]
    postings = {
        "id": new,
        "account": [accounts[found[cards[id_].owner]] for id_ in new],
        "points": [welcome(cards[id_]) for id_ in new],
        "giver": CORRECTED,
    }
    connection.execute(_POSTINGS, postings)
