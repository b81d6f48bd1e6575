"""How a batch enters the base, set-wise: a handful of statements, whatever the number of rows.

Each runs in the batch's transaction, in the order of this file. `incoming` has one row a customer.
"""

from __future__ import annotations

# For row-level security; limits for statements that work on many rows; sorts and hashes of a batch in memory;
# and no compiling, which takes longer than most of these statements run.
ACT = """
SELECT set_config('crm.principal', 'bulk load', true), set_config('crm.reads', %(rights)s, true),
       set_config('crm.creates', %(rights)s, true), set_config('crm.changes', %(rights)s, true),
       set_config('crm.stamp', '{NULL,NULL,NULL,NULL}', true),
       set_config('statement_timeout', %(statement_timeout)s, true),
       set_config('lock_timeout', %(lock_timeout)s, true),
       set_config('work_mem', %(work_mem)s, true), set_config('jit', 'off', true)
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
REGISTERED = "SELECT ogrn, inn FROM crm.legal_entity WHERE ogrn = ANY(%(ogrns)s::text[])"

# A load outruns the figures that the planner has of the tables, and a nested loop chosen for ten rows takes
# minutes for thirty thousand. So there is none: the base is looked up by arrays of keys, which is a look into
# an index for each, and what was found is hashed. Nor is a table read whole where an index leads to its rows:
# the planner takes every array for ten keys, and comparing each row with thirty thousand never ended.
STAGING = """
SET LOCAL enable_nestloop = off;
SET LOCAL enable_seqscan = off;
CREATE TEMP TABLE incoming (
    id uuid, kind text, stage text, name text, inn text, kpp text, ogrn text, snils text, address text,
    external_id text, given jsonb, words text[], people text[], address_key text, card uuid
) ON COMMIT DROP;
CREATE TEMP TABLE incoming_contact (
    id uuid, incoming_id uuid, kind text, value text, person text, position smallint
) ON COMMIT DROP;
CREATE TEMP TABLE enriched (card uuid) ON COMMIT DROP
"""
COPY_INCOMING = """
COPY incoming (id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given, words, people,
               address_key) FROM STDIN (NULL '')
"""
COPY_CONTACTS = "COPY incoming_contact FROM STDIN (NULL '')"

# Which card an entry speaks of: by INN and KPP; else by its external id; else by name and a contact.
MATCH = (
    """
    WITH found AS MATERIALIZED (
        SELECT c.inn, coalesce(c.kpp, '') AS kpp, coalesce(c.merged_into, c.id) AS card
        FROM crm.customer c WHERE c.inn = ANY (ARRAY(SELECT inn FROM incoming WHERE inn IS NOT NULL))
    )
    UPDATE incoming i SET card = found.card FROM found
    WHERE found.inn = i.inn AND found.kpp = coalesce(i.kpp, '')
    """,
    """
    WITH cards AS MATERIALIZED (
        SELECT c.id, c.external_id, c.kind, c.inn, coalesce(c.merged_into, c.id) AS card
        FROM crm.customer c WHERE c.external_id = ANY (ARRAY(
            SELECT external_id FROM incoming WHERE card IS NULL AND external_id IS NOT NULL))
    )
    UPDATE incoming i SET card = found.card
    FROM (
        SELECT DISTINCT ON (j.id) j.id, c.card
        FROM incoming j JOIN cards c ON c.external_id = j.external_id AND c.kind = j.kind
        WHERE j.card IS NULL AND (c.inn IS NULL OR j.inn IS NULL)
        ORDER BY j.id, c.id
    ) AS found
    WHERE i.id = found.id
    """,
    """
    WITH sought AS MATERIALIZED (
        SELECT j.id, j.kind, j.name, t.kind AS contact_kind, t.value
        FROM incoming j JOIN incoming_contact t ON t.incoming_id = j.id
        WHERE j.card IS NULL AND j.inn IS NULL AND j.external_id IS NULL
    ), known AS MATERIALIZED (
        SELECT k.value, k.kind, k.customer_id FROM crm.contact k
        WHERE k.value = ANY (ARRAY(SELECT value FROM sought))
    ), cards AS MATERIALIZED (
        SELECT c.id, c.kind, c.name, coalesce(c.merged_into, c.id) AS card
        FROM crm.customer c WHERE c.id = ANY (ARRAY(SELECT customer_id FROM known))
    )
    UPDATE incoming i SET card = found.card
    FROM (
        SELECT DISTINCT ON (j.id) j.id, c.card
        FROM sought j JOIN known k ON k.value = j.value AND k.kind = j.contact_kind
        JOIN cards c ON c.id = k.customer_id AND c.kind = j.kind AND c.name = j.name
        ORDER BY j.id, c.id
    ) AS found
    WHERE i.id = found.id
    """,
)
# In one order with every other load; forms lock a single card. Counts those that were merged meanwhile.
LOCK_CARDS = """
SELECT count(c.merged_into) FROM (
    SELECT merged_into FROM crm.customer
    WHERE id = ANY (ARRAY(SELECT card FROM incoming WHERE card IS NOT NULL))
    ORDER BY id FOR UPDATE) c
"""
# All but those that were found registered.
ENTITIES = """
INSERT INTO crm.legal_entity (ogrn, inn)
SELECT DISTINCT ogrn COLLATE "C" AS ogrn, inn FROM incoming
WHERE ogrn IS NOT NULL AND ogrn NOT IN (SELECT unnest(%(registered)s::text[]))
ORDER BY 1
"""
# A card made by a form since the match breaks a unique key here, as an OGRN above, and the batch starts over.
# Sorted, as all that follows: neighbours of an index go into the same page while it is at hand; by bytes, as
# forms do too, and cheaper than by the rules of a language. The loader is
# nobody in particular, so its cards lie in no zone; said here, the columns' defaults need not find that out.
NEW_CARDS = """
INSERT INTO crm.customer (id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given, words,
                          created_at, updated_at, zone_manager, zone_unit, zone_region, zone_partner)
SELECT id, kind, stage, name, inn, kpp, ogrn, snils, address, external_id, given, array_to_tsvector(words),
       now(), now(), NULL, NULL, NULL, NULL
FROM incoming WHERE card IS NULL
ORDER BY inn COLLATE "C" NULLS FIRST, kpp COLLATE "C" NULLS FIRST
"""
NEW_CONTACTS = """
INSERT INTO crm.contact (id, customer_id, kind, value, person, position)
SELECT id, incoming_id, kind, value, person, position FROM incoming_contact
WHERE incoming_id NOT IN (SELECT id FROM incoming WHERE card IS NOT NULL)
ORDER BY incoming_id
"""
# Fills what a card lacks and adds contacts; a card that gains nothing keeps its version. Notes who gained.
ENRICH = """
WITH told AS MATERIALIZED (
    SELECT card,
           (array_agg(inn) FILTER (WHERE inn IS NOT NULL))[1] AS inn,
           (array_agg(kpp) FILTER (WHERE inn IS NOT NULL))[1] AS kpp,
           (array_agg(ogrn) FILTER (WHERE ogrn IS NOT NULL))[1] AS ogrn,
           (array_agg(snils) FILTER (WHERE snils IS NOT NULL))[1] AS snils,
           (array_agg(address) FILTER (WHERE address IS NOT NULL))[1] AS address,
           (array_agg(external_id) FILTER (WHERE external_id IS NOT NULL))[1] AS external_id,
           bool_or(stage = 'customer') AS is_customer
    FROM incoming WHERE card IS NOT NULL GROUP BY card
), answering AS MATERIALIZED (
    SELECT card, array_to_tsvector(array_agg(DISTINCT word)) AS words
    FROM (SELECT card, unnest(people) AS word FROM incoming WHERE card IS NOT NULL) AS p GROUP BY card
), held AS MATERIALIZED (
    SELECT c.customer_id, c.kind, c.value, c.position
    FROM crm.contact c WHERE c.customer_id = ANY (ARRAY(SELECT card FROM told))
), last AS MATERIALIZED (
    SELECT customer_id, max(position) AS position FROM held GROUP BY customer_id
), added AS (
    INSERT INTO crm.contact (id, customer_id, kind, value, person, position)
    SELECT t.id, i.card, t.kind, t.value, t.person, coalesce(l.position, 0) + t.position
    FROM incoming i JOIN incoming_contact t ON t.incoming_id = i.id
    LEFT JOIN last l ON l.customer_id = i.card
    LEFT JOIN held h ON h.customer_id = i.card AND h.kind = t.kind AND h.value = t.value
    WHERE i.card IS NOT NULL AND h.customer_id IS NULL
    ORDER BY t.id
    ON CONFLICT (customer_id, kind, value) DO NOTHING
    RETURNING customer_id
), gained AS (
    UPDATE crm.customer c
    SET inn = coalesce(c.inn, t.inn), kpp = CASE WHEN c.inn IS NULL THEN t.kpp ELSE c.kpp END,
        ogrn = coalesce(c.ogrn, t.ogrn), external_id = coalesce(c.external_id, t.external_id),
        snils = coalesce(c.snils, t.snils), address = coalesce(c.address, t.address),
        words = c.words || coalesce(a.words, ''),
        stage = CASE WHEN t.is_customer THEN 'customer' ELSE c.stage END,
        version = c.version + 1, updated_at = now()
    FROM told t LEFT JOIN answering a ON a.card = t.card
    WHERE c.id = t.card AND c.id = ANY (ARRAY(SELECT card FROM told))
      AND ((c.inn IS NULL AND t.inn IS NOT NULL) OR (c.ogrn IS NULL AND t.ogrn IS NOT NULL)
           OR (c.external_id IS NULL AND t.external_id IS NOT NULL)
           OR (c.snils IS NULL AND t.snils IS NOT NULL) OR (c.address IS NULL AND t.address IS NOT NULL)
           OR (c.stage = 'lead' AND t.is_customer)
           OR c.id IN (SELECT customer_id FROM added))
    RETURNING c.id
)
INSERT INTO enriched (card) SELECT id FROM gained
"""
WORDS = """
WITH told AS MATERIALIZED (
    SELECT DISTINCT unnest(CASE WHEN card IS NULL THEN words ELSE people END) AS word FROM incoming
), known AS MATERIALIZED (
    SELECT w.word FROM crm.name_word w WHERE w.word = ANY (ARRAY(SELECT word FROM told))
)
INSERT INTO crm.name_word (word)
SELECT word FROM told WHERE word NOT IN (SELECT word FROM known) ORDER BY word COLLATE "C"
ON CONFLICT DO NOTHING
"""
# The address; and, while the release before may still look for them there, what stands on the card.
NEW_KEYS = """
INSERT INTO crm.customer_key (value, kind, customer_id)
SELECT k.value, k.kind, k.owner
FROM (
    SELECT address_key AS value, 'address' AS kind, id AS owner FROM incoming
    WHERE card IS NULL AND address_key IS NOT NULL
    UNION ALL
    SELECT e.value, e.kind, e.customer_id
    FROM crm.exact_key e WHERE crm.keys_are_doubled()
      AND e.customer_id = ANY (ARRAY(SELECT id FROM incoming WHERE card IS NULL))
) AS k
ORDER BY k.value COLLATE "C", k.kind, k.owner
"""
# An enriched card is found by what it holds now.
ENRICHED_KEYS = """
WITH cards AS MATERIALIZED (
    SELECT c.id, c.address FROM crm.customer c WHERE c.id = ANY (ARRAY(SELECT card FROM enriched))
)
INSERT INTO crm.customer_key (value, kind, customer_id)
SELECT k.value, k.kind, k.owner
FROM (
    SELECT i.address_key AS value, 'address' AS kind, c.id AS owner
    FROM incoming i JOIN cards c ON c.id = i.card AND c.address = i.address
    UNION ALL
    SELECT e.value, e.kind, e.customer_id
    FROM crm.exact_key e WHERE crm.keys_are_doubled()
      AND e.customer_id = ANY (ARRAY(SELECT card FROM enriched))
) AS k
WHERE k.value IS NOT NULL
ORDER BY k.value COLLATE "C", k.kind, k.owner
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
