"""One box for every identifier and for names, typing errors forgiven (docs/decisions/0190-search.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.rows import TupleRow

from app import cleansing, identifiers
from app.customers.repository import CARD, customer
from app.customers.schemas import Match, Matches
from app.database.database import Database, Found, Freshness
from app.database.units import READ_GATE, Read

MAX_WORDS = 8
NEAR_SCORE = 0.9  # of a number that differs by one digit

# What costs least first; each step is taken only where the one before found nothing. A card that was merged
# into another leads there. The left join gives one row also where nothing is found, for the staleness.
_FOUND = f"""
    WITH exact AS MATERIALIZED (
        SELECT k.customer_id, min(k.kind) AS matched, 1.0::real AS score
        FROM (SELECT * FROM crm.exact_key WHERE value = ANY(%(exact)s)
              LIMIT 10 * %(rows)s) AS k
        GROUP BY k.customer_id
    ), near AS MATERIALIZED (
        SELECT k.customer_id, min(k.kind) AS matched, {NEAR_SCORE}::real AS score
        FROM (SELECT * FROM crm.exact_key
              WHERE value = ANY(CASE WHEN EXISTS (SELECT FROM exact) THEN '{{}}' ELSE %(near)s::text[] END)
                AND kind IN ('inn', 'ogrn', 'snils', 'phone')
              LIMIT 10 * %(rows)s) AS k
        GROUP BY k.customer_id
    ), named AS (
        SELECT n.customer_id, 'name' AS matched, n.score
        FROM crm.find_by_words(CASE WHEN EXISTS (SELECT FROM exact) OR EXISTS (SELECT FROM near) THEN '{{}}'
                                    ELSE %(words)s::text[] END, %(rows)s) AS n
    ), hit AS (
        SELECT DISTINCT ON (coalesce(f.merged_into, f.id))
               coalesce(f.merged_into, f.id) AS id, either.matched, either.score
        FROM (TABLE exact UNION ALL TABLE near UNION ALL TABLE named) AS either
        JOIN crm.customer f ON f.id = either.customer_id
        ORDER BY coalesce(f.merged_into, f.id), either.score DESC, either.matched
    )
    SELECT {CARD}, hit.matched, hit.score
    FROM hit JOIN crm.customer c ON c.id = hit.id
    ORDER BY hit.score DESC, c.id DESC LIMIT %(rows)s
"""


def _row(row: TupleRow) -> tuple[float, Match | None]:
    staleness, *card, matched, score = row
    match = None if matched is None else Match(customer(tuple(card)), matched, round(float(score), 3))
    return float(staleness), match


SEARCH = Read(
    f"""
    SELECT stale.seconds, found.*
    FROM (SELECT crm.staleness() AS seconds) AS stale LEFT JOIN ({_FOUND}) AS found ON true
    WHERE {READ_GATE}""",
    _row,
    planned_once=True,
)


async def search(
    database: Database, freshness: Freshness, *, query: str, limit: int
) -> tuple[Matches, Found[Any]]:
    found = await database.read(SEARCH, parameters(query, limit), freshness)
    matches = [match for _, match in found.rows if match is not None]
    return Matches(matches, round(found.rows[0][0], 3)), found


def parameters(query: str, limit: int) -> Mapping[str, Any]:
    return {
        "exact": list(identifiers.search_forms(query)),
        "near": list(identifiers.near_forms(query)),
        "words": list(cleansing.words(query))[:MAX_WORDS],
        "rows": limit,
    }
