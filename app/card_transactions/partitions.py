"""The months of card transactions, made ahead of time (docs/decisions/0120-card-transactions-by-month.md)."""

from __future__ import annotations

from datetime import date

import psycopg

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


def _ensure(connection: psycopg.Connection, month: date) -> bool:
    with connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
        row = connection.execute("SELECT crm.ensure_card_transaction_month(%s)", (month,)).fetchone()
    return row is not None and bool(row[0])
