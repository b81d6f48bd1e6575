"""The SQL of the days' closes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from app.cards.rules import PROCESSING_ZONE
from app.database.units import READ_GATE, Read, WriteUnit
from app.day_closes.schemas import CloseState, Comparison, DayClose, DayCloseInFull, Difference, Kind, Total

# Late transactions come in batches: one look for all of a minute.
PAUSE = "1 minute"
DIFFERENCES_KEPT = 200
COMPARISONS_SHOWN = 50

_COLUMNS = "c.day, c.state, c.closed_at, c.transactions, c.found, c.differing, c.compared_at"


@dataclass(frozen=True, slots=True)
class Due:
    """A close that is to be compared. Transactions that arrive meanwhile raise `asks`."""

    day: date
    closed_at: datetime
    asks: int
    by_station: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    found: int
    differing: int
    differences: Sequence[dict[str, Any]]

    @property
    def state(self) -> CloseState:
        return CloseState.DIFFERS if self.differing else CloseState.MATCHED


def _close(row: TupleRow) -> DayClose:
    day, state, *rest = row
    return DayClose(day, CloseState(state), *rest)


def _in_full(row: TupleRow) -> DayCloseInFull:
    *close, totals, comparisons = row
    return DayCloseInFull(
        _close(tuple(close)),
        [Total.model_validate(total) for total in totals],
        [_comparison(*comparison) for comparison in comparisons],
    )


def _comparison(at: str, state: str, found: int | None, differing: int, differences: list[Any]) -> Comparison:
    return Comparison(
        datetime.fromisoformat(at), CloseState(state), found, differing, [_difference(d) for d in differences]
    )


def _difference(stored: dict[str, Any]) -> Difference:
    told, there = Decimal(stored.pop("amount")), Decimal(stored.pop("found_amount"))
    kind, station = Kind(stored.pop("kind")), stored.pop("station") or None
    return Difference(**stored, station=station, kind=kind, amount=told, found_amount=there)


FILTERS = {"state": "c.state = %(state)s", "since": "c.day >= %(since)s", "until": "c.day < %(until)s"}


@cache
def page(filters: frozenset[str]) -> Read[DayClose]:
    """`until` excludes its day."""
    conditions = "".join(f" AND {FILTERS[name]}" for name in sorted(filters))
    return Read(
        f"""
        SELECT {_COLUMNS} FROM crm.day_close c
        WHERE {READ_GATE} AND c.day < %(before)s{conditions} ORDER BY c.day DESC LIMIT %(rows)s""",
        _close,
    )


BY_DAY = Read(
    f"""
    SELECT {_COLUMNS}, c.totals, coalesce((
        SELECT jsonb_agg(jsonb_build_array(k.compared_at, k.state, k.found, k.differing, k.differences)
                         ORDER BY k.compared_at DESC)
        FROM (SELECT * FROM crm.day_comparison n WHERE n.day = c.day
              ORDER BY n.compared_at DESC LIMIT {COMPARISONS_SHOWN}) AS k), '[]')
    FROM crm.day_close c WHERE {READ_GATE} AND c.day = %(day)s""",
    _in_full,
)

# One told later corrects; nothing comes back where the one that is there is as new.
_TELL = f"""
INSERT INTO crm.day_close AS c (day, state, closed_at, totals, transactions, look_at, asks)
VALUES (%(day)s, 'told', %(closed_at)s, %(totals)s, %(transactions)s, now(), 1)
ON CONFLICT (day) DO UPDATE
SET state = 'told', closed_at = excluded.closed_at, totals = excluded.totals,
    transactions = excluded.transactions, look_at = now(), asks = c.asks + 1
WHERE c.closed_at IS NULL OR c.closed_at < excluded.closed_at
RETURNING {_COLUMNS}
"""
_TOLD = f"SELECT {_COLUMNS}, c.totals FROM crm.day_close c WHERE c.day = %(day)s"
# Always another value of `asks`: a look under way has perhaps not seen what came, and would end the matter.
_ASK = """
UPDATE crm.day_close SET asks = asks + 1, look_at = coalesce(look_at, now() + %(pause)s::interval)
WHERE day = ANY(%(days)s::date[]) AND closed_at IS NOT NULL
"""
# Of the last month, and not before the feed was entered.
_OWED = f"""
WITH owed AS (
    INSERT INTO crm.day_close (day, state)
    SELECT d.day, 'missing'
    FROM crm.data_feed f
    CROSS JOIN LATERAL (
        SELECT (now() AT TIME ZONE '{PROCESSING_ZONE.key}')::date - n AS day FROM generate_series(1, 31) AS n
    ) AS d
    WHERE f.code = %(feed)s AND f.active AND crm.day_end(d.day) > f.changed_at
      AND crm.day_end(d.day) + make_interval(mins => f.interval_minutes) < now()
    ON CONFLICT (day) DO NOTHING RETURNING day
)
INSERT INTO crm.day_comparison (day, compared_at, state, differing, differences)
SELECT o.day, now(), 'missing', 0, '[]' FROM owed o RETURNING day
"""
_DUE = """
SELECT c.day, c.closed_at, c.asks, jsonb_path_exists(c.totals, '$[0].station ? (@ != null)')
FROM crm.day_close c WHERE c.look_at <= now() ORDER BY c.look_at, c.day LIMIT 1
"""
_COMPARE = f"""
WITH told AS (
    SELECT coalesce(t.station, '') AS station, t.kind, t.currency, t.transactions, t.amount
    FROM crm.day_close c
    CROSS JOIN LATERAL jsonb_to_recordset(c.totals)
        AS t (station text, kind text, currency text, transactions bigint, amount numeric)
    WHERE c.day = %(day)s
), there AS (
    SELECT * FROM crm.card_transaction_totals(%(since)s, %(until)s, %(by_station)s)
), both_sides AS (
    SELECT station, kind, currency,
           coalesce(t.transactions, 0) AS transactions, coalesce(h.transactions, 0) AS found_transactions,
           coalesce(t.amount, 0) AS amount, coalesce(h.amount, 0) AS found_amount
    FROM told t FULL JOIN there h USING (station, kind, currency)
), differing AS (
    SELECT b.station, b.kind, b.currency, b.transactions, b.found_transactions, b.amount::text AS amount,
           b.found_amount::text AS found_amount
    FROM both_sides b WHERE (b.transactions, b.amount) <> (b.found_transactions, b.found_amount)
)
SELECT (SELECT coalesce(sum(b.found_transactions), 0)::bigint FROM both_sides b),
       (SELECT count(*)::integer FROM differing),
       (SELECT coalesce(jsonb_agg(to_jsonb(k)), '[]')
        FROM (SELECT * FROM differing ORDER BY station, kind, currency LIMIT {DIFFERENCES_KEPT}) AS k)
"""
# Nothing, if the close was corrected meanwhile: that one is due by itself.
_KEEP = """
WITH kept AS (
    UPDATE crm.day_close
    SET state = %(state)s, found = %(found)s, differing = %(differing)s, compared_at = clock_timestamp(),
        look_at = CASE WHEN asks <> %(asks)s THEN now() + %(pause)s::interval END
    WHERE day = %(day)s AND closed_at = %(closed_at)s RETURNING day, compared_at
)
INSERT INTO crm.day_comparison (day, compared_at, state, found, differing, differences)
SELECT k.day, k.compared_at, %(state)s, %(found)s, %(differing)s, %(differences)s
FROM kept k
LEFT JOIN LATERAL (SELECT n.state, n.found, n.differences FROM crm.day_comparison n WHERE n.day = k.day
                   ORDER BY n.compared_at DESC LIMIT 1) AS before ON true
WHERE (before.state, before.found, before.differences)
      IS DISTINCT FROM (%(state)s::text, %(found)s::bigint, %(differences)s::jsonb)
"""


async def tell(
    unit: WriteUnit, day: date, closed_at: datetime, totals: Sequence[dict[str, Any]]
) -> DayClose | None:
    """None: one that is as new is there."""
    transactions = sum(total["transactions"] for total in totals)
    parameters = {"day": day, "closed_at": closed_at, "totals": Jsonb(totals), "transactions": transactions}
    return await unit.one(_TELL, parameters, _close)


async def told(unit: WriteUnit, day: date) -> tuple[DayClose, Sequence[dict[str, Any]]] | None:
    return await unit.one(_TOLD, {"day": day}, lambda row: (_close(row[:-1]), row[-1]))


async def look_again(unit: WriteUnit, arrived: Iterable[datetime]) -> None:
    """Queued. Transactions of these moments have come: the days that were closed without them are due."""
    days = sorted({moment.astimezone(PROCESSING_ZONE).date() for moment in arrived})
    await unit.queue(_ASK, {"days": days, "pause": PAUSE})


async def mark_missing(unit: WriteUnit, feed: str) -> int:
    """How many days are newly missing."""
    return len(await unit.all(_OWED, {"feed": feed}, tuple))


async def due(unit: WriteUnit) -> Due | None:
    return await unit.one(_DUE, {}, lambda row: Due(*row))


async def compare(unit: WriteUnit, close: Due, since: datetime, until: datetime) -> Outcome:
    """The close beside the transactions of its day, as they are committed now."""
    parameters = {"day": close.day, "by_station": close.by_station, "since": since, "until": until}
    found = await unit.one(_COMPARE, parameters, lambda row: Outcome(*row))
    assert found is not None  # it is an aggregate
    return found


async def keep(unit: WriteUnit, close: Due, outcome: Outcome) -> None:
    """Queued."""
    await unit.queue(
        _KEEP,
        {
            "day": close.day,
            "closed_at": close.closed_at,
            "asks": close.asks,
            "state": outcome.state.value,
            "found": outcome.found,
            "differing": outcome.differing,
            "differences": Jsonb(outcome.differences),
            "pause": PAUSE,
        },
    )
