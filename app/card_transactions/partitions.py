"""The months of card transactions, made ahead of time (docs/decisions/0120-card-transactions-by-month.md)."""

from __future__ import annotations

from datetime import date

import psycopg

from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.identity import now

MONTHS_AHEAD = 3
# A month that is attached locks the default partition for a moment. Better not now than others kept waiting.
LOCK_TIMEOUT = "2s"

_MONTHS = """
SELECT date_trunc('month', now() AT TIME ZONE 'UTC' + make_interval(months => n))::date
FROM generate_series(0, %s) AS n
"""


def ensure_partitions(connection: psycopg.Connection, months: int = MONTHS_AHEAD) -> tuple[date, ...]:
    """Make the partitions from this month (UTC) to `months` ahead; returns the first days of those made now.

    Each is a transaction of its own. Any number of workers may do it at once, as crm_app; the connection
    must not be within a transaction. What went into the default partition for want of a month moves into it.

    Raises:
        psycopg.errors.LockNotAvailable: somebody holds the default partition; try again later.
    """
    with connection.transaction():
        wanted = [row[0] for row in connection.execute(_MONTHS, (months,))]
    return tuple(month for month in wanted if _ensure(connection, month))


async def step(database: Database, command: Command) -> bool:
    """The worker's job: the same, a month at a time under its term.

    Raises:
        ProblemError: somebody holds the default partition; it is tried again.
    """
    moment = now()
    for ahead in range(MONTHS_AHEAD + 1):
        years, month = divmod(moment.month - 1 + ahead, 12)
        await _ensure_by(database, command, date(moment.year + years, month + 1, 1))
    return False


async def _ensure_by(database: Database, command: Command, month: date) -> None:
    async def work(unit: WriteUnit) -> Answer:
        await unit.queue("SELECT set_config('lock_timeout', %(limit)s, true)", {"limit": LOCK_TIMEOUT})
        made = await unit.one(
            "SELECT crm.ensure_card_transaction_month(%(month)s)", {"month": month}, lambda row: bool(row[0])
        )
        return Answer(200, encode({"made": made}))

    await database.write(command, work)


def _ensure(connection: psycopg.Connection, month: date) -> bool:
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
        row = connection.execute("SELECT crm.ensure_card_transaction_month(%s)", (month,)).fetchone()
    return row is not None and bool(row[0])
