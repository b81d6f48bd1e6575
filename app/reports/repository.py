"""The SQL of the reports. They may run on a replica (Twinsite-Staleness: any)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from app.cards.rules import PROCESSING_ZONE
from app.database.units import READ_GATE, Read, Whole
from app.identity import first_id
from app.reports.schemas import (
    BoardRow,
    Dimension,
    FrequencyRow,
    Grouping,
    LoadRow,
    ServiceRow,
    TurnoverRow,
)

# A request that was reopened is one of its period with the figures of the last time.
_BEGAN = "coalesce(r.reopened_at, r.created_at)"
_LATE = "coalesce(r.closed_at, now()) > r.solution_due AND r.status <> 'waiting'"
PERIOD = "r.created_at >= %(since)s AND r.created_at < %(until)s"
# Ids are made of the moment of registration, so the primary key leads to a period. created_at is exact, but
# an index over it would read no less (docs/crm-requests.md). `ids_of` has the parameters.
BY_IDS = "r.id >= %(first_id)s AND r.id < %(last_id)s"
_BESIDE = timedelta(days=1)  # the moment in an id is within that of the exact one


def ids_of(since: datetime, until: datetime) -> Mapping[str, object]:
    """The parameters of BY_IDS."""
    return {"first_id": first_id(since - _BESIDE), "last_id": first_id(until + _BESIDE)}


def of_period(since: datetime, until: datetime) -> Mapping[str, object]:
    """The parameters of PERIOD and BY_IDS."""
    return {"since": since, "until": until, **ids_of(since, until)}


def beside_before(since: datetime, until: datetime) -> Mapping[str, object]:
    """The parameters of FREQUENCY. The period before is as long; one that ends before it begins is empty."""
    first = min(since, until)
    before = first - (until - first)
    return {"before": before, "since": first, "until": until, **ids_of(before, until)}


def _mean(later: str, earlier: str, condition: str = "true") -> str:
    return f"(avg(extract(epoch FROM {later} - {earlier})) FILTER (WHERE {condition}))::float8"


@cache
def service(by: Dimension) -> Read[ServiceRow]:
    return Read(
        f"""
        SELECT r.{by.value}, count(*), count(r.closed_at),
               {_mean("r.taken_at", _BEGAN)},
               {_mean("r.closed_at", "r.taken_at")},
               {_mean("r.closed_at", _BEGAN)},
               count(*) FILTER (WHERE {_LATE}),
               {_mean("coalesce(r.closed_at, now())", "r.solution_due", _LATE)},
               avg(r.rating)::float8, count(r.reopened_at)
        FROM crm.request r WHERE {READ_GATE} AND {PERIOD} AND {BY_IDS}
        GROUP BY r.{by.value} ORDER BY count(*) DESC, r.{by.value} LIMIT 5000""",
        lambda row: ServiceRow(*row),
    )


FREQUENCY = Read(
    f"""
    SELECT r.topic, count(*) FILTER (WHERE {PERIOD}) AS present,
           count(*) FILTER (WHERE r.created_at < %(since)s)
    FROM crm.request r
    WHERE {READ_GATE} AND r.created_at >= %(before)s AND r.created_at < %(until)s AND {BY_IDS}
    GROUP BY r.topic ORDER BY present DESC, r.topic LIMIT %(rows)s""",
    lambda row: FrequencyRow(*row),
)

LOAD = Read(
    f"""
    SELECT p.code, p.unit, p.capacity, count(r.id), count(r.id) FILTER (WHERE {_LATE})
    FROM crm.person p LEFT JOIN crm.request r ON r.assignee = p.code AND r.status <> 'closed'
    WHERE {READ_GATE} AND p.active AND (%(unit)s::text IS NULL OR p.unit = %(unit)s)
    GROUP BY p.code ORDER BY count(r.id) DESC, p.code LIMIT 5000""",
    lambda row: LoadRow(*row),
)

BOARD = Read(
    f"""
    SELECT r.queue,
           count(*) FILTER (WHERE r.status = 'new'), count(*) FILTER (WHERE r.status = 'in_progress'),
           count(*) FILTER (WHERE r.status = 'waiting'), count(*) FILTER (WHERE r.status = 'handed_over'),
           count(*) FILTER (WHERE r.assignee IS NULL), count(*) FILTER (WHERE {_LATE}),
           count(*) FILTER (WHERE r.status = 'waiting' AND r.waiting_due < now()),
           min({_BEGAN}) FILTER (WHERE r.status = 'new')
    FROM crm.request r
    WHERE {READ_GATE} AND r.status IN ('new', 'in_progress', 'waiting', 'handed_over')
    GROUP BY r.queue ORDER BY r.queue""",
    lambda row: BoardRow(*row),
)

CUSTOMER, CARD = "customer_id", "card_id"
_FILTERS: Final = {CUSTOMER: "c.customer_id = %(customer_id)s", CARD: "c.id = %(card_id)s"}
# The narrower one is what the rows are parts of.
_WHOLES: Final = {
    CARD: Whole.row("card", "crm.card", CARD),
    CUSTOMER: Whole.row("customer", "crm.customer", CUSTOMER),
}
_LOCAL = f"d.occurred_at AT TIME ZONE '{PROCESSING_ZONE.key}'"
_KEYS: Final = {
    Grouping.STATION: "d.station",
    Grouping.REGION: "s.region",
    Grouping.PRODUCT: "d.product",
    Grouping.CARD: "c.id::text",
    Grouping.DAY: f"to_char({_LOCAL}, 'YYYY-MM-DD')",
    Grouping.MONTH: f"to_char({_LOCAL}, 'YYYY-MM')",
}
_CALENDAR = frozenset({Grouping.DAY, Grouping.MONTH})


@cache
def turnover(by: Grouping, filters: frozenset[str]) -> Read[TurnoverRow]:
    """By the calendar in its order, else the largest sums first.

    Cards are found first, with the asker's eyes: the figures are those of the cards in reach. The period
    prunes all months but its own (docs/decisions/0120-card-transactions-by-month.md).
    """
    conditions = "".join(f" AND {_FILTERS[name]}" for name in sorted(filters))
    regions = "LEFT JOIN crm.station s ON s.known_as = d.station" if by is Grouping.REGION else ""
    return Read(
        f"""
        SELECT {_KEYS[by]}, p.measure, d.currency, count(*), sum(d.quantity), sum(d.amount)
        FROM crm.card c JOIN crm.card_transaction_detail d ON d.card_token = c.token
        LEFT JOIN crm.product p ON p.known_as = d.product {regions}
        WHERE {READ_GATE} AND d.occurred_at >= %(since)s AND d.occurred_at < %(until)s{conditions}
        GROUP BY 1, 2, 3 ORDER BY {"" if by in _CALENDAR else "6 DESC, "}1, 2, 3 LIMIT 5000""",
        lambda row: TurnoverRow(*row),
        next((whole for name, whole in _WHOLES.items() if name in filters), None),
    )


# For who reaches all cards: sums that the worker keeps, and what is in none of them yet
# (docs/decisions/0123-turnover-from-sums.md). Row-level security keeps them from everybody else.
_SUMS: Final = "SELECT k.first_day, k.station, k.product, k.currency, k.transactions, k.quantity, k.amount"
_BY_DAY: Final = f"""
{_SUMS} FROM crm.turnover_sum k WHERE k.span = 'day' AND k.first_day >= %(first)s AND k.first_day < %(last)s
UNION ALL"""
_BY_STATION: Final = "".join(
    f"""
{_SUMS} FROM crm.turnover_sum k
WHERE k.span = 'station-{span}' AND k.first_day >= %({since})s AND k.first_day < %({until})s
UNION ALL"""
    for span, since, until in (
        ("day", "first", "months_since"),
        ("month", "months_since", "months_until"),
        ("day", "months_until", "last"),
    )
)
_SUMMED_KEYS: Final = {
    Grouping.STATION: ("b.key", "station", _BY_STATION),
    Grouping.REGION: ("s.region", "station", _BY_STATION),
    Grouping.PRODUCT: ("b.product", "", _BY_DAY),
    Grouping.CARD: ("b.key", "card", ""),  # of which there are no sums: about as many as purchases
    Grouping.DAY: ("to_char(b.day, 'YYYY-MM-DD')", "", _BY_DAY),
    Grouping.MONTH: ("to_char(b.day, 'YYYY-MM')", "", _BY_DAY),
}
SUMMED = frozenset(by for by, (_, _, kept) in _SUMMED_KEYS.items() if kept)


@cache
def turnover_of_all(by: Grouping) -> Read[TurnoverRow]:
    """As `turnover` without filters, in the same order. Parameters: those of a `turnover_periods.Cut`."""
    key, dimension, kept = _SUMMED_KEYS[by]
    regions = "LEFT JOIN crm.station s ON s.known_as = b.key" if by is Grouping.REGION else ""
    return Read(
        f"""
        SELECT {key}, p.measure, b.currency, sum(b.transactions)::bigint, sum(b.quantity), sum(b.amount)
        FROM ({kept}
              SELECT l.day, l.key, l.product, l.currency, i.sign * l.transactions, i.sign * l.quantity,
                     i.sign * l.amount
              FROM unnest(%(piece_since)s::timestamptz[], %(piece_until)s::timestamptz[],
                          %(piece_sign)s::integer[], %(piece_unsummed)s::boolean[])
                       AS i (since, until, sign, unsummed)
              CROSS JOIN LATERAL crm.turnover_live('{dimension}', i.since, i.until, i.unsummed) AS l)
             AS b (day, key, product, currency, transactions, quantity, amount)
        LEFT JOIN crm.product p ON p.known_as = b.product {regions}
        WHERE {READ_GATE}
        GROUP BY 1, 2, 3 HAVING sum(b.transactions) <> 0
        ORDER BY {"" if by in _CALENDAR else "6 DESC, "}1, 2, 3 LIMIT 5000""",
        lambda row: TurnoverRow(*row),
    )
