"""Points for what the feed brought, by the set, each transaction once; and the event that tells of it.

The progress is a transaction id: everything that transactions up to it have brought is accrued, by the
transaction that says so. Those below the oldest one still running are decided: none can turn up behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from psycopg.rows import TupleRow

from app.card_transactions import events as card_transactions
from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.day_closes import repository as day_closes
from app.encoding import encode
from app.identity import new_id
from app.loyalty import repository
from app.loyalty.repository import GRANTED, NewEntry, moved
from app.loyalty.rules import Accrual, Bought, Rule, accruals
from app.loyalty.schemas import AccrualRuleForm, EntryKind

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Accrued:
    """Transactions looked at, and those that gave points. `received` 0: there was nothing new."""

    received: int
    accrued: int


_PROGRESS = "SELECT p.received_by::text FROM crm.accrual_progress p FOR UPDATE SKIP LOCKED"
# Whole transactions: those that begin within the next BATCH rows.
_UP_TO = """
SELECT n.received_by::text
FROM (SELECT d.received_by FROM crm.card_transaction_detail d
      WHERE d.received_by > %(after)s::xid8 AND d.received_by < pg_snapshot_xmin(pg_current_snapshot())
      ORDER BY d.received_by LIMIT %(batch)s) AS n
ORDER BY n.received_by DESC LIMIT 1
"""
_BOUGHT = """
SELECT d.processing_id, c.customer_id, d.station, d.product, d.quantity, d.amount, d.occurred_at
FROM crm.card_transaction_detail d LEFT JOIN crm.card c ON c.token = d.card_token
WHERE d.received_by > %(after)s::xid8 AND d.received_by <= %(up_to)s::xid8
ORDER BY d.occurred_at, d.processing_id
"""
_RULES = """
SELECT r.version, to_jsonb(r) - '{version,changed_at,changed_by}'::text[]
FROM crm.accrual_rule r WHERE r.active ORDER BY r.position, r.code
"""
_ADVANCE = "UPDATE crm.accrual_progress SET received_by = %(up_to)s::xid8"


async def sweep(database: Database, command: Command) -> Committed:
    """The worker's step. Any number may run at once: one of them does it."""

    async def work(unit: WriteUnit) -> Answer:
        return Answer(200, encode(await _step(unit, command.principal)))

    return await database.write(command, work)


async def _step(unit: WriteUnit, actor: str) -> Accrued:
    after = await unit.one(_PROGRESS, {}, _text)
    up_to = None if after is None else await unit.one(_UP_TO, {"after": after, "batch": BATCH}, _text)
    if up_to is None:
        return Accrued(0, 0)
    received = await unit.all(_BOUGHT, {"after": after, "up_to": up_to}, tuple)
    await card_transactions.tell(unit, [(row[0], row[-1]) for row in received])
    await day_closes.look_again(unit, [row[-1] for row in received])
    bought = [Bought(*row) for row in received if row[1] is not None]  # None: the card is nobody's here
    accrued = await _accrue(unit, bought, actor) if bought else 0
    await unit.queue(_ADVANCE, {"up_to": up_to})
    return Accrued(len(received), accrued)


async def _accrue(unit: WriteUnit, bought: Sequence[Bought], actor: str) -> int:
    rules = await unit.all(_RULES, {}, lambda row: Rule(row[0], AccrualRuleForm.model_validate(row[1])))
    accounts = await repository.lock(unit, sorted({purchase.customer_id for purchase in bought}))
    balances = {owner: balance for owner, (_, balance) in accounts.items()}
    entries = [_entry(accrual, accounts, actor) for accrual in accruals(rules, bought, balances)]
    if entries:
        await repository.post(unit, entries)
    return len(entries)


def _entry(accrual: Accrual, accounts: Mapping[UUID, tuple[UUID, Decimal]], actor: str) -> NewEntry:
    bought, rule = accrual.bought, accrual.rule
    account, _ = accounts[bought.customer_id]
    return NewEntry(
        new_id(),
        EntryKind.ACCRUAL,
        bought.processing_id,
        bought.occurred_at,
        actor,
        moved(accrual.points, to=account, by=GRANTED),
        note=f"{accrual.short:f} were spent already" if accrual.short else None,
        rule=rule.form.code,
        rule_version=rule.version,
    )


def _text(row: TupleRow) -> str:
    return str(row[0])
