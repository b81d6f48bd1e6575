"""Cards that a new or an existing one probably doubles, offered with a score; nothing is decided here.

Candidates come by exact blocking keys (a phone, an e-mail address, an INN, a SNILS, the address) and by the
words of the name, typing errors forgiven, all but one of three or more: index look-ups, never a scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app import cleansing
from app.customers import likeness
from app.customers.repository import CARD, customer, keys
from app.customers.schemas import Customer, Details, Likely
from app.database.database import Database, Found, Freshness
from app.database.units import READ_GATE, Read

BLOCKING = frozenset({"phone", "email", "inn", "snils", "address"})
A_KEY = 20  # cards that one key may bring: a shared switchboard must not drown the rest
A_NAME = 30
OFFERED = 10
MAX_WORDS = 6

CANDIDATES = Read(
    f"""
    WITH keyed AS MATERIALIZED (
        SELECT k.customer_id
        FROM unnest(%(values)s::text[], %(kinds)s::text[]) AS given (value, kind)
        CROSS JOIN LATERAL (
            SELECT f.customer_id FROM crm.exact_key f
            WHERE f.value = given.value AND f.kind = given.kind LIMIT {A_KEY}) AS k
    ), named AS MATERIALIZED (
        SELECT n.customer_id
        FROM generate_series(0, CASE WHEN cardinality(%(words)s::text[]) > 2
                                     THEN cardinality(%(words)s::text[]) ELSE 0 END) AS left_out
        CROSS JOIN LATERAL crm.find_by_words(
            (SELECT array_agg(w.word) FROM unnest(%(words)s::text[]) WITH ORDINALITY AS w (word, place)
             WHERE w.place <> left_out), {A_NAME}) AS n
    ), candidate AS (
        SELECT DISTINCT coalesce(f.merged_into, f.id) AS id
        FROM (TABLE keyed UNION TABLE named) AS either JOIN crm.customer f ON f.id = either.customer_id
    )
    SELECT {CARD} FROM candidate JOIN crm.customer c ON c.id = candidate.id
    WHERE {READ_GATE} AND c.id IS DISTINCT FROM %(besides)s AND c.kind = %(kind)s""",
    customer,
)


async def find(
    database: Database, freshness: Freshness, of: Details | Customer, *, besides: UUID | None = None
) -> tuple[Sequence[Likely], Found[Customer]]:
    """Best first, at most OFFERED."""
    found = await database.read(CANDIDATES, parameters(of, besides), freshness)
    return offered(of, found.rows), found


def parameters(of: Details | Customer, besides: UUID | None) -> Mapping[str, Any]:
    blocking = sorted((value, kind) for value, kind in keys(of) if kind in BLOCKING)
    return {
        "values": [value for value, _ in blocking],
        "kinds": [kind for _, kind in blocking],
        "words": list(cleansing.words(of.name))[:MAX_WORDS],
        "besides": besides,
        "kind": of.kind.value,
    }


def offered(of: Details | Customer, candidates: Sequence[Customer]) -> Sequence[Likely]:
    """Pure."""
    scored = (Likely(candidate, likeness.compare(of, candidate)) for candidate in candidates)
    likely = [each for each in scored if each.likeness.score >= likeness.OFFERED_FROM]
    return sorted(likely, key=lambda each: (-each.likeness.score, str(each.customer.id)))[:OFFERED]
