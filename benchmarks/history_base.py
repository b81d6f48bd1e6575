"""What customers leave behind, made by the set in SQL beside the cards of `search_base`.

Requests, fuel cards and purchases. A tenth of all customers has a request behind it, which at ten million
are those of 400 days at the seeds' 2,500 a day; as many have a fuel card with ten purchases each. What is
open does not grow with the base, as the people who work at it are as many.
"""

from __future__ import annotations

import psycopg

EVERY = 10  # which customers have a history: those whose numbers end with a nought
OPEN = 500
PEOPLE = 20
_CARD = "'tok_growth_' || n"
_PART = 500_000
_PEOPLE = """
INSERT INTO crm.person (code, active, name, unit, skills, lines, regions, capacity, present)
SELECT 'growth.' || n, true, 'Оператор ' || n, 'contact-centre', '{}', '{1}', '{}', 100000, true
FROM generate_series(1, %(people)s) AS n
"""
_NUMBERS = "generate_series(%(first)s::bigint, %(last)s::bigint, %(every)s) AS n"
_ID = "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid"
_AT = "now() - interval '400 days' * (1 - n::double precision / %(size)s)"
# The newest OPEN are being worked at.
_REQUESTS = f"""
INSERT INTO crm.request (id, customer_id, channel, topic, subject, body, status, assignee, resolution,
                         version, created_at, taken_at, closed_at, topic_version, queue, unit, reaction_due,
                         solution_due)
SELECT {_ID}, {_ID}, 'call', 'cards', 'Вопрос по карте', 'Когда придёт карта?',
       CASE WHEN open THEN 'in_progress' ELSE 'closed' END, 'growth.' || n / %(every)s %% %(people)s + 1,
       CASE WHEN NOT open THEN 'Карта выдана' END, CASE WHEN open THEN 2 ELSE 3 END,
       at, at, CASE WHEN NOT open THEN at END, 2, 'cards', 'contact-centre', at, at + interval '400 days'
FROM {_NUMBERS}
CROSS JOIN LATERAL (SELECT {_AT} AS at, n >= %(size)s - %(every)s * %(open)s AS open) AS told
"""
_EVENTS = f"""
INSERT INTO crm.request_event (request_id, version, kind, at, actor)
SELECT {_ID}, version, kind, {_AT}, 'growth'
FROM {_NUMBERS}
CROSS JOIN (VALUES (1, 'registered'), (2, 'taken'), (3, 'closed')) AS step (version, kind)
WHERE version < 3 OR n < %(size)s - %(every)s * %(open)s
"""
_CARDS = f"""
INSERT INTO crm.card (id, token, bin, last_four, number_sealed, key_version, customer_id, status, products,
                      stations, version, created_at, changed_at)
SELECT {_ID}, {_CARD}, '700601', lpad((n %% 10000)::text, 4, '0'), '', 1, {_ID}, 'active', '{{}}', '{{}}', 1,
       {_AT}, {_AT}
FROM {_NUMBERS}
"""
# The purchases of two months, spread over the cards.
_PURCHASES = f"""
WITH bought AS MATERIALIZED (
    SELECT 'base-' || n || '-' || k AS processing_id, {_CARD} AS card_token,
           now() - interval '50 days' * ((n * 7919 + k * 104729) %% 1000003) / 1000003.0 AS occurred_at
    FROM {_NUMBERS} CROSS JOIN generate_series(1, 10) AS k
), register AS (
    INSERT INTO crm.card_transaction (processing_id, card_token, occurred_at)
    SELECT processing_id, card_token, occurred_at FROM bought
)
INSERT INTO crm.card_transaction_detail
    (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
SELECT processing_id, card_token, 'AZS-0001', 'AI-95', 40, 2200, 'RUB', occurred_at, occurred_at FROM bought
"""


def add_history(dsn: str, size: int) -> None:
    """Of so many customers; vacuumed and analysed."""
    shape = {"size": size, "every": EVERY, "open": OPEN, "people": PEOPLE}
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Neither triggers nor foreign keys: the rows are made right, and nobody is told of them.
        connection.execute("SET session_replication_role = replica")
        connection.execute(_PEOPLE, shape)
        for first in range(0, size, _PART):
            part = {**shape, "first": first, "last": min(first + _PART, size) - 1}
            for statement in (_REQUESTS, _EVENTS, _CARDS, _PURCHASES):
                connection.execute(statement, part)
        connection.execute("VACUUM ANALYZE")
