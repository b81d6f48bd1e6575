"""The worker's step: what the feed brought is added to the sums of its day (crm.turnover_sum).

The progress is a transaction id, as that of the points (app/loyalty/accrual.py): transactions below the
oldest one still running are decided, none can turn up behind it, however old the purchases are that it
brings. A purchase and its card count where the later of the two falls, so that each pair counts once
(docs/decisions/0123-turnover-from-sums.md).
"""

from __future__ import annotations

from typing import Final

import orjson

from app.cards.rules import PROCESSING_ZONE
from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode

BATCH: Final = 50_000  # some tenths of a second; PostgreSQL ends a statement after ten seconds

_PROGRESS = "SELECT p.received_by::text FROM crm.turnover_progress p"
# Whole transactions: those that begin within the next BATCH rows. Whether there may be more.
_NEXT = """
SELECT n.id::text, count(*) OVER () = %(batch)s::bigint
FROM (SELECT b.id FROM (
        (SELECT d.received_by AS id FROM crm.card_transaction_detail d
         WHERE d.received_by > %(after)s::xid8 AND d.received_by < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY d.received_by LIMIT %(batch)s::bigint)
        UNION ALL
        (SELECT c.issued_by FROM crm.card c
         WHERE c.issued_by > %(after)s::xid8 AND c.issued_by < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY c.issued_by LIMIT %(batch)s::bigint)) AS b
      ORDER BY b.id LIMIT %(batch)s::bigint) AS n
ORDER BY n.id DESC LIMIT 1
"""
_BOUGHT = f"""
SELECT (d.occurred_at AT TIME ZONE '{PROCESSING_ZONE.key}')::date AS day, d.station, d.product,
       d.currency::text AS currency, d.quantity, d.amount
FROM crm.card_transaction_detail d JOIN crm.card c ON c.token = d.card_token
WHERE EXISTS (SELECT FROM moved)
"""
# One statement, as the sums and the progress are one fact. Who is overtaken moves nothing and adds nothing.
_ADD = f"""
WITH moved AS (
    UPDATE crm.turnover_progress SET received_by = %(up_to)s::xid8 WHERE received_by = %(after)s::xid8
    RETURNING true
), bought AS (
    {_BOUGHT} AND d.received_by > %(after)s::xid8 AND d.received_by <= %(up_to)s::xid8
              AND (c.issued_by IS NULL OR c.issued_by <= %(up_to)s::xid8)
    UNION ALL
    {_BOUGHT} AND c.issued_by > %(after)s::xid8 AND c.issued_by <= %(up_to)s::xid8
              AND d.received_by <= %(after)s::xid8
), by_station AS (
    SELECT b.day, (b.day - extract(day FROM b.day)::integer + 1) AS month, b.station, b.product, b.currency,
           count(*) AS transactions, sum(b.quantity) AS quantity, sum(b.amount) AS amount
    FROM bought b GROUP BY b.day, b.station, b.product, b.currency
)
INSERT INTO crm.turnover_sum AS s
    (span, first_day, station, product, currency, transactions, quantity, amount)
SELECT CASE WHEN grouping(b.station) = 1 THEN 'day' WHEN grouping(b.day) = 0 THEN 'station-day'
            ELSE 'station-month' END,
       coalesce(b.day, b.month), coalesce(b.station, ''), b.product, b.currency,
       sum(b.transactions), sum(b.quantity), sum(b.amount)
FROM by_station b
GROUP BY GROUPING SETS ((b.day, b.product, b.currency), (b.day, b.station, b.product, b.currency),
                        (b.month, b.station, b.product, b.currency))
ON CONFLICT (span, first_day, station, product, currency) DO UPDATE
SET transactions = s.transactions + excluded.transactions, quantity = s.quantity + excluded.quantity,
    amount = s.amount + excluded.amount
"""


async def step(database: Database, command: Command) -> bool:
    """One batch. True: another one may be due. Writes nothing where nothing came."""

    async def work(unit: WriteUnit) -> Answer:
        after = await unit.one(_PROGRESS, {}, lambda row: str(row[0]))
        given = {"after": after, "batch": BATCH}
        found = await unit.one(_NEXT, given, lambda row: (str(row[0]), bool(row[1])))
        if found is not None:
            await unit.queue(_ADD, {"after": after, "up_to": found[0]})
        return Answer(200, encode({"more": found is not None and found[1]}))

    committed = await database.write(command, work)
    return bool(orjson.loads(committed.answer.body)["more"])
