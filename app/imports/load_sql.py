"""How a batch enters the base, set-wise: a handful of statements, whatever the number of rows.

Each runs in the batch's transaction, in the order of this file. `incoming` has one row a customer.
"""

from __future__ import annotations

# For row-level security; and limits for statements that work on many rows.
ACT = """
SELECT set_config('crm.principal', 'bulk load', true), set_config('crm.reads', %(rights)s, true),
       set_config('crm.creates', %(rights)s, true), set_config('crm.changes', %(rights)s, true),
       set_config('crm.stamp', '{NULL,NULL,NULL,NULL}', true),
       set_config('statement_timeout', %(statement_timeout)s, true),
       set_config('lock_timeout', %(lock_timeout)s, true)
"""
CLAIM = """
SELECT j.id, j.format, j.header, j.received_blocks, p.loaded_blocks
FROM crm.import_progress p JOIN crm.import_job j ON j.id = p.job_id
WHERE p.loaded_at IS NULL AND (p.loaded_blocks < j.received_blocks OR j.received_at IS NOT NULL)
ORDER BY p.job_id LIMIT 1 FOR UPDATE OF p SKIP LOCKED
"""
BLOCKS = """
SELECT number, first_row, content FROM crm.import_block
WHERE job_id = %(job)s AND number >= %(first)s ORDER BY number LIMIT %(count)s
"""
REGISTERED = "SELECT ogrn, inn FROM crm.legal_entity WHERE ogrn = ANY(%(ogrns)s)"

STAGING = """
CREATE TEMP TABLE incoming (
    id uuid, kind text, stage text, name text, inn text, kpp text, ogrn text, snils text, address text,
    external_id text, given jsonb, words text[], people text[], address_key text, card uuid
) ON COMMIT DROP;
CREATE TEMP TABLE incoming_contact (
    incoming_id uuid, id uuid, kind text, value text, person text, position smallint
) ON COMMIT DROP
"""
COPY_INCOMING = """
COPY incoming (id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given, words, people,
               address_key) FROM STDIN
"""
COPY_CONTACTS = "COPY incoming_contact FROM STDIN"
# Only what the joins go by: figures of the other columns would cost more than they bring.
ANALYZE = "ANALYZE incoming (id, inn, external_id, card); ANALYZE incoming_contact (incoming_id)"

# Which card an entry speaks of: by INN and KPP; else by its external id; else by name and a contact.
# LATERAL with LIMIT keeps it to a look into an index for each entry, whatever the figures of the tables say:
# a load into an empty base outruns them, and a join was planned 40 times as slow.
MATCH = (
    """
    UPDATE incoming i SET card = coalesce(c.merged_into, c.id) FROM crm.customer c
    WHERE c.inn = i.inn AND coalesce(c.kpp, '') = coalesce(i.kpp, '')
    """,
    """
    UPDATE incoming i SET card = found.id
    FROM incoming j CROSS JOIN LATERAL (
        SELECT coalesce(c.merged_into, c.id) AS id
        FROM crm.customer_key k JOIN crm.customer c ON c.id = k.customer_id
        WHERE k.value = j.external_id AND k.kind = 'external_id'
          AND c.kind = j.kind AND (c.inn IS NULL OR j.inn IS NULL)
        ORDER BY c.id LIMIT 1
    ) AS found
    WHERE j.card IS NULL AND j.external_id IS NOT NULL AND i.id = j.id
    """,
    """
    UPDATE incoming i SET card = found.id
    FROM incoming j CROSS JOIN LATERAL (
        SELECT coalesce(c.merged_into, c.id) AS id
        FROM incoming_contact t
        JOIN crm.customer_key k ON k.value = t.value AND k.kind = t.kind
        JOIN crm.customer c ON c.id = k.customer_id
        WHERE t.incoming_id = j.id AND c.kind = j.kind AND c.name = j.name
        ORDER BY c.id LIMIT 1
    ) AS found
    WHERE j.card IS NULL AND j.inn IS NULL AND j.external_id IS NULL AND i.id = j.id
    """,
)
# In one order with every other load; forms lock a single card. Counts those that were merged meanwhile.
LOCK_CARDS = """
SELECT count(c.merged_into) FROM (
    SELECT merged_into FROM crm.customer WHERE id IN (SELECT card FROM incoming WHERE card IS NOT NULL)
    ORDER BY id FOR UPDATE) c
"""
ENTITIES = """
INSERT INTO crm.legal_entity (ogrn, inn)
SELECT DISTINCT ogrn, inn FROM incoming WHERE ogrn IS NOT NULL ORDER BY ogrn
ON CONFLICT (ogrn) DO NOTHING
"""
# A card made by a form since the match is left out here; the count then tells, and the batch starts over.
NEW_CARDS = """
INSERT INTO crm.customer (id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given, words,
                          created_at, updated_at)
SELECT id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given, array_to_tsvector(words),
       now(), now()
FROM incoming WHERE card IS NULL
ON CONFLICT DO NOTHING
"""
COUNT_NEW = "SELECT count(*) FROM incoming WHERE card IS NULL"
NEW_CONTACTS = """
INSERT INTO crm.contact (id, customer_id, kind, value, person, position)
SELECT t.id, i.id, t.kind, t.value, t.person, t.position
FROM incoming i JOIN incoming_contact t ON t.incoming_id = i.id
WHERE i.card IS NULL
"""
# Fills what a card lacks and adds contacts; a card that gains nothing keeps its version.
ENRICH = """
WITH held AS (
    SELECT i.id, i.card, coalesce((SELECT max(c.position) FROM crm.contact c WHERE c.customer_id = i.card), 0)
           AS last
    FROM incoming i WHERE i.card IS NOT NULL
), added AS (
    INSERT INTO crm.contact (id, customer_id, kind, value, person, position)
    SELECT t.id, h.card, t.kind, t.value, t.person, h.last + t.position
    FROM held h JOIN incoming_contact t ON t.incoming_id = h.id
    ORDER BY t.id
    ON CONFLICT (customer_id, kind, value) DO NOTHING
    RETURNING customer_id
), told AS (
    SELECT card,
           (array_agg(inn) FILTER (WHERE inn IS NOT NULL))[1] AS inn,
           (array_agg(kpp) FILTER (WHERE inn IS NOT NULL))[1] AS kpp,
           (array_agg(ogrn) FILTER (WHERE ogrn IS NOT NULL))[1] AS ogrn,
           (array_agg(snils) FILTER (WHERE snils IS NOT NULL))[1] AS snils,
           (array_agg(address) FILTER (WHERE address IS NOT NULL))[1] AS address,
           (array_agg(external_id) FILTER (WHERE external_id IS NOT NULL))[1] AS external_id,
           bool_or(stage = 'customer') AS is_customer
    FROM incoming WHERE card IS NOT NULL GROUP BY card
)
UPDATE crm.customer c
SET inn = coalesce(c.inn, t.inn), kpp = CASE WHEN c.inn IS NULL THEN t.kpp ELSE c.kpp END,
    ogrn = coalesce(c.ogrn, t.ogrn), external_id = coalesce(c.external_id, t.external_id),
    snils = coalesce(c.snils, t.snils), address = coalesce(c.address, t.address),
    words = c.words || coalesce((SELECT array_to_tsvector(array_agg(DISTINCT p.word))
                                 FROM incoming i, unnest(i.people) AS p (word) WHERE i.card = c.id), ''),
    stage = CASE WHEN t.is_customer THEN 'customer' ELSE c.stage END,
    version = c.version + 1, updated_at = now()
FROM told t
WHERE c.id = t.card
  AND ((c.inn IS NULL AND t.inn IS NOT NULL) OR (c.ogrn IS NULL AND t.ogrn IS NOT NULL)
       OR (c.external_id IS NULL AND t.external_id IS NOT NULL)
       OR (c.snils IS NULL AND t.snils IS NOT NULL) OR (c.address IS NULL AND t.address IS NOT NULL)
       OR (c.stage = 'lead' AND t.is_customer)
       OR c.id IN (SELECT customer_id FROM added))
"""
WORDS = """
INSERT INTO crm.name_word (word)
SELECT told.word
FROM (SELECT DISTINCT unnest(CASE WHEN card IS NULL THEN words ELSE people END) AS word FROM incoming) AS told
WHERE NOT EXISTS (SELECT FROM crm.name_word w WHERE w.word = told.word)
ORDER BY told.word
ON CONFLICT DO NOTHING
"""
# Sorted: neighbours of the index then go into the same page while it is at hand.
NEW_KEYS = """
INSERT INTO crm.customer_key (value, kind, customer_id)
SELECT k.value, k.kind, k.owner
FROM (
    SELECT inn AS value, 'inn' AS kind, id AS owner FROM incoming WHERE card IS NULL AND inn IS NOT NULL
    UNION ALL
    SELECT ogrn, 'ogrn', id FROM incoming WHERE card IS NULL AND ogrn IS NOT NULL
    UNION ALL
    SELECT external_id, 'external_id', id FROM incoming WHERE card IS NULL AND external_id IS NOT NULL
    UNION ALL
    SELECT snils, 'snils', id FROM incoming WHERE card IS NULL AND snils IS NOT NULL
    UNION ALL
    SELECT address_key, 'address', id FROM incoming WHERE card IS NULL AND address_key IS NOT NULL
    UNION ALL
    SELECT t.value, t.kind, i.id FROM incoming i JOIN incoming_contact t ON t.incoming_id = i.id
    WHERE i.card IS NULL
) AS k
ORDER BY k.value, k.kind, k.owner
"""
# An enriched card is found by what it holds now.
ENRICHED_KEYS = """
INSERT INTO crm.customer_key (value, kind, customer_id)
SELECT k.value, k.kind, c.id
FROM crm.customer c
CROSS JOIN LATERAL (
    SELECT * FROM (VALUES (c.inn, 'inn'), (c.ogrn, 'ogrn'), (c.snils, 'snils'),
                           (c.external_id, 'external_id')) AS v (value, kind)
    UNION ALL
    SELECT i.address_key, 'address' FROM incoming i WHERE i.card = c.id AND i.address = c.address
    UNION ALL
    SELECT t.value, t.kind FROM crm.contact t WHERE t.customer_id = c.id
) AS k
WHERE c.id IN (SELECT card FROM incoming WHERE card IS NOT NULL) AND k.value IS NOT NULL
ORDER BY k.value, k.kind, c.id
ON CONFLICT DO NOTHING
"""
REJECT = """
INSERT INTO crm.import_rejection (job_id, row, line, errors)
SELECT %(job)s, t.row, t.line, t.errors
FROM unnest(%(rows)s::bigint[], %(lines)s::text[], %(errors)s::jsonb[]) AS t (row, line, errors)
"""
EMPTY_BLOCKS = """
UPDATE crm.import_block SET content = NULL
WHERE job_id = %(job)s AND number >= %(first)s AND number < %(next)s
"""
ADVANCE = """
UPDATE crm.import_progress p
SET loaded_blocks = %(next)s, created = p.created + %(created)s, enriched = p.enriched + %(enriched)s,
    unchanged = p.unchanged + %(unchanged)s, rejected = p.rejected + %(rejected)s,
    loaded_at = CASE WHEN j.received_at IS NOT NULL AND j.received_blocks = %(next)s THEN now() END
FROM crm.import_job j
WHERE p.job_id = %(job)s AND j.id = p.job_id
RETURNING p.job_id, p.created, p.enriched, p.unchanged, p.rejected, p.loaded_at
"""
