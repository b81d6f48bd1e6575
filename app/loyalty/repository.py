"""The SQL of the ledger: accounts, entries, postings. PostgreSQL keeps them balanced (migration 0074)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from psycopg.rows import TupleRow

from app.customers.repository import CUSTOMER
from app.database.units import READ_GATE, Read, WriteUnit
from app.identity import now
from app.loyalty.schemas import Account, EntryKind, LedgerEntry

# The programme's own accounts, made by the migration.
GRANTED, REDEEMED, CORRECTED = (UUID(f"00000000-0000-7000-8000-00000000000{n}") for n in (1, 2, 3))
OVERDRAFT_CONSTRAINT = "ledger_account_no_overdraft"
REFERENCE_CONSTRAINT = "ledger_entry_reference_key"
REVERSED_CONSTRAINT = "ledger_entry_reverses_key"


@dataclass(frozen=True, slots=True)
class Posting:
    account: UUID
    amount: Decimal


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be booked, with its postings, which sum up to zero."""

    id: UUID
    kind: EntryKind
    reference: str
    occurred_at: datetime
    actor: str
    postings: Sequence[Posting]
    note: str | None = None
    reverses: UUID | None = None
    rule: str | None = None
    rule_version: int | None = None


def moved(amount: Decimal, *, to: UUID, by: UUID) -> tuple[Posting, Posting]:
    """The two postings of an ordinary entry."""
    return Posting(to, amount), Posting(by, -amount)


_ENTRY = (
    "e.id, e.kind, p.amount, e.reference, e.reverses, e.rule, e.occurred_at, e.created_at, e.actor, e.note"
)


def _entry(row: TupleRow) -> LedgerEntry:
    id_, kind, *rest = row
    return LedgerEntry(id_, EntryKind(kind), *rest)


# A customer without an account has no points yet.
ACCOUNT = Read(
    f"""
    SELECT c.id, coalesce(a.balance, 0)
    FROM crm.customer c LEFT JOIN crm.ledger_account a ON a.owner = coalesce(c.merged_into, c.id)
    WHERE {READ_GATE} AND c.id = %(customer_id)s""",
    lambda row: Account(*row),
)
ENTRIES = Read(
    f"""
    SELECT {_ENTRY}
    FROM crm.customer c
    JOIN crm.ledger_account a ON a.owner = coalesce(c.merged_into, c.id)
    JOIN crm.ledger_posting p ON p.account_id = a.id
    JOIN crm.ledger_entry e ON e.id = p.entry_id
    WHERE {READ_GATE} AND c.id = %(customer_id)s AND p.entry_id < %(below)s
    ORDER BY p.entry_id DESC LIMIT %(rows)s""",
    _entry,
    CUSTOMER,
)
_FIND = f"""
SELECT {_ENTRY} FROM crm.ledger_entry e
JOIN crm.ledger_posting p ON p.entry_id = e.id
JOIN crm.ledger_account a ON a.id = p.account_id
JOIN crm.customer c ON c.id = %(customer_id)s AND a.owner = coalesce(c.merged_into, c.id)
WHERE e.id = %(entry_id)s
"""
_POSTINGS = (
    "SELECT p.account_id, p.amount FROM crm.ledger_posting p WHERE p.entry_id = %(entry_id)s ORDER BY p.line"
)
_LOCK = "SELECT l.id, l.owner, l.balance FROM crm.lock_ledger_accounts(%(owners)s) AS l"
_OWNER = "SELECT coalesce(c.merged_into, c.id) FROM crm.customer c WHERE c.id = %(customer_id)s"
_TRANSFER = "SELECT crm.transfer_points(%(giver)s, %(taker)s, %(reference)s, %(actor)s, NULL)"
_GIVE_BACK = "SELECT crm.return_points(%(giver)s, %(taker)s, %(reference)s, %(actor)s)"
_INSERT_ENTRIES = """
INSERT INTO crm.ledger_entry
    (id, kind, reference, reverses, rule, rule_version, occurred_at, created_at, actor, note, postings)
SELECT t.*
FROM unnest(%(id)s::uuid[], %(kind)s::text[], %(reference)s::text[], %(reverses)s::uuid[], %(rule)s::text[],
            %(rule_version)s::integer[], %(occurred_at)s::timestamptz[], %(created_at)s::timestamptz[],
            %(actor)s::text[], %(note)s::text[], %(postings)s::smallint[]) AS t
"""
_INSERT_POSTINGS = """
INSERT INTO crm.ledger_posting (entry_id, line, account_id, amount)
SELECT t.*
FROM unnest(%(entry_id)s::uuid[], %(line)s::smallint[], %(account)s::uuid[], %(amount)s::numeric[]) AS t
"""


async def post(unit: WriteUnit, entries: Sequence[NewEntry]) -> None:
    """Queued. May break the constraints named above; that entries are balanced is looked at by the commit."""
    moment = now()
    names = ("id", "reference", "reverses", "rule", "rule_version", "occurred_at", "actor", "note")
    columns: dict[str, list[object]] = {name: [getattr(entry, name) for entry in entries] for name in names}
    columns["kind"] = [entry.kind.value for entry in entries]
    columns["created_at"] = [moment] * len(entries)
    columns["postings"] = [len(entry.postings) for entry in entries]
    await unit.queue(_INSERT_ENTRIES, columns)
    lines = [
        (entry.id, line, posting.account, posting.amount)
        for entry in entries
        for line, posting in enumerate(entry.postings, 1)
    ]
    by_column = zip(("entry_id", "line", "account", "amount"), zip(*lines, strict=True), strict=True)
    await unit.queue(_INSERT_POSTINGS, {name: list(values) for name, values in by_column})


async def lock(unit: WriteUnit, owners: Sequence[UUID]) -> Mapping[UUID, tuple[UUID, Decimal]]:
    """Accounts and balances by owner, opened where they are missing, locked until the commit."""
    rows = await unit.all(_LOCK, {"owners": list(owners)}, lambda row: (row[1], (row[0], row[2])))
    return dict(rows)


async def owner(unit: WriteUnit, customer_id: UUID) -> UUID | None:
    """Whose account it is, if the asker reaches the customer: `lock` does not ask."""
    return await unit.one(_OWNER, {"customer_id": customer_id}, lambda row: UUID(str(row[0])))


async def transfer(unit: WriteUnit, giver: UUID, taker: UUID, reference: str, actor: str) -> None:
    """Queued."""
    await unit.queue(_TRANSFER, {"giver": giver, "taker": taker, "reference": reference, "actor": actor})


async def give_back(unit: WriteUnit, giver: UUID, taker: UUID, reference: str, actor: str) -> None:
    """Queued."""
    await unit.queue(_GIVE_BACK, {"giver": giver, "taker": taker, "reference": reference, "actor": actor})


async def find(unit: WriteUnit, customer_id: UUID, entry_id: UUID) -> LedgerEntry | None:
    return await unit.one(_FIND, {"customer_id": customer_id, "entry_id": entry_id}, _entry)


async def postings(unit: WriteUnit, entry_id: UUID) -> list[Posting]:
    """Those that the asker sees: all of them only for one who reaches every account of the entry."""
    return await unit.all(_POSTINGS, {"entry_id": entry_id}, lambda row: Posting(*row))
