"""A base of ten million customers in minutes: what a bulk load would leave behind, made by the set in SQL.

Loading ten million rows through the pipeline is what `bulk_load` measures; here only what is found afterwards
counts. Names have the distribution of app/seeding, with a tail of rare words besides, as real names do.
"""

from __future__ import annotations

from uuid import UUID

import psycopg

from app.seeding import names

SERVER = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "30min",
    "fsync": "off",  # a base that is thrown away
    "full_page_writes": "off",
    "maintenance_work_mem": "1GB",
    "work_mem": "256MB",
    "jit": "off",
}
# Built again when the rows are there, as that takes a fraction of the time.
_INDEXES = (
    "customer_inn_kpp_key",
    "customer_words_idx",
    "customer_external_id_idx",
    "contact_value_idx",
)
_CONSTRAINTS = (("crm.contact", "contact_value_key", "UNIQUE (customer_id, kind, value)"),)
_PART = 500_000
_CUSTOMERS = """
INSERT INTO crm.customer (id, kind, stage, name, inn, kpp, external_id, given, words, created_at, updated_at)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
       CASE WHEN person THEN 'person' ELSE 'company' END, 'customer', told.name,
       CASE WHEN person THEN '77' || lpad(n::text, 10, '0') ELSE '77' || lpad(n::text, 8, '0') END,
       CASE WHEN NOT person THEN '770101001' END, 'erp-' || n, '{}', array_to_tsvector(told.words),
       now(), now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
CROSS JOIN LATERAL (
    SELECT n %% 5 = 0 AS person, abs(hashint8extended(n, 1)) AS a, abs(hashint8extended(n, 2)) AS b
) AS random
CROSS JOIN LATERAL (
    SELECT initcap(syllable[a %% 35 + 1] || syllable[a / 35 %% 35 + 1] || syllable[a / 1225 %% 35 + 1]
                   || CASE WHEN n %% 10 = 3 THEN syllable[a / 42875 %% 35 + 1] ELSE '' END
                   || CASE WHEN person THEN (ARRAY['ов', 'ин', 'ко'])[b %% 3 + 1] ELSE '' END) AS brand,
           CASE WHEN person THEN (%(first_names)s::text[])[b / 3 %% 12 + 1]
                ELSE (%(trades)s::text[])[b %% 12 + 1] || syllable[b / 12 %% 35 + 1] END AS second
    FROM (SELECT %(syllables)s::text[] AS syllable) AS s
) AS made
CROSS JOIN LATERAL (
    SELECT format(CASE WHEN person THEN '%%s %%s' ELSE 'ООО "%%s %%s"' END, brand, second) AS name,
           translate(lower(ARRAY[brand, second]::text), 'ё', 'е')::text[] AS words
) AS told
"""
# Scattered: of a hundred numbers that differ by one digit about ten are others' at ten million customers.
_PHONE = "'+791' || lpad((hashtextextended(c.inn, 3) & 67108863)::text, 8, '0')"
_CONTACTS = f"""
INSERT INTO crm.contact (id, customer_id, kind, value, position)
SELECT overlay(c.id::text PLACING 'c' FROM 1 FOR 1)::uuid, c.id, 'phone', {_PHONE}, 1
FROM crm.customer c WHERE c.id BETWEEN %(from)s AND %(to)s
UNION ALL
SELECT overlay(c.id::text PLACING 'e' FROM 1 FOR 1)::uuid, c.id, 'email', c.external_id || '@company.ru', 2
FROM crm.customer c WHERE c.id BETWEEN %(from)s AND %(to)s
"""
_WORDS = """
INSERT INTO crm.name_word (word)
SELECT DISTINCT unnest(tsvector_to_array(c.words)) FROM crm.customer c WHERE c.id BETWEEN %(from)s AND %(to)s
ON CONFLICT DO NOTHING
"""


def grow(dsn: str, first: int, size: int) -> None:
    """From `first` to `size` customers, vacuumed and analysed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        definitions = _drop_indexes(connection)
        for start in range(first, size, _PART):
            _part(connection, start, min(start + _PART, size) - 1)
        for definition in definitions:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")


def _part(connection: psycopg.Connection, first: int, last: int) -> None:
    words = {
        "syllables": list(names.SYLLABLES),
        "trades": list(names.TRADES),
        "first_names": list(names.FIRST_NAMES),
    }
    connection.execute(_CUSTOMERS, {"first": first, "last": last, **words})
    ends = {"from": customer_id(first), "to": customer_id(last)}
    for statement in (_CONTACTS, _WORDS):
        connection.execute(statement, ends)


def customer_id(number: int) -> UUID:
    return UUID(f"00000000-0000-7000-8000-{number:012x}")


def _drop_indexes(connection: psycopg.Connection) -> list[str]:
    """Returns what makes them again."""
    definitions = []
    for name in _INDEXES:
        row = connection.execute("SELECT pg_get_indexdef(%s::regclass)", (f"crm.{name}",)).fetchone()
        assert row is not None
        definitions.append(str(row[0]))
        connection.execute(f"DROP INDEX crm.{name}")
    for table, name, definition in _CONSTRAINTS:
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        definitions.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    return definitions
