-- How a customer is found among ten millions: exact keys in crm.customer_key, words of names in one GIN index on
-- the card, and typing errors in the dictionary of distinct words (docs/decisions/0190-search.md).

CREATE EXTENSION IF NOT EXISTS fuzzystrmatch WITH SCHEMA public;

ALTER TABLE crm.customer
    ADD COLUMN snils   text,
    ADD COLUMN address text,
    -- What the card is found by beside its keys: words of its name and of the people who answer there.
    ADD COLUMN words   tsvector NOT NULL DEFAULT ''::tsvector;

UPDATE crm.customer c SET words = array_to_tsvector(k.words)
FROM (SELECT customer_id, array_agg(value) AS words FROM crm.customer_key WHERE kind = 'name' GROUP BY customer_id) k
WHERE k.customer_id = c.id;
-- Without fastupdate: a list of pending entries would be read whole by each search, and flushed by some form.
CREATE INDEX customer_words_idx ON crm.customer USING gin (words) WITH (fastupdate = off);

-- The release before this one does not fill `words` while hosts are brought up to date one by one.
CREATE FUNCTION crm.default_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words := array_to_tsvector(array_remove(
        regexp_split_to_array(translate(lower(NEW.name), 'ё', 'е'), '[^[:alnum:]]+'), ''));
    RETURN NEW;
END $$;
CREATE TRIGGER default_words_insert BEFORE INSERT ON crm.customer
    FOR EACH ROW WHEN (NEW.words = ''::tsvector) EXECUTE FUNCTION crm.default_words();
CREATE TRIGGER default_words_update BEFORE UPDATE OF name ON crm.customer
    FOR EACH ROW WHEN (NEW.name <> OLD.name AND NEW.words = OLD.words) EXECUTE FUNCTION crm.default_words();

-- Each word under its beginning, and under that less one letter: two words that differ by one letter there have
-- a variant in common (as SymSpell does it), so that errors cost exact look-ups instead of a scan by similarity.
CREATE FUNCTION crm.word_variants(word text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT overlay(left(word, 7) PLACING '' FROM place FOR 1)) || left(word, 7)
    FROM generate_series(1, least(length(word), 7)) AS place
$$;

-- How many typing errors are forgiven: none in short words and numbers, where they would find anything.
CREATE FUNCTION crm.errors_forgiven(word text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN length(word) < 4 OR word ~ '^[0-9]+$' THEN 0 WHEN length(word) < 8 THEN 1 ELSE 2 END
$$;

-- Letters added, left out or replaced; one that stands in another place counts once. 3: too many to matter.
CREATE FUNCTION crm.typing_errors(word text, typed text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN d = 2 AND length(word) = length(typed)
             AND (SELECT string_agg(l, '' ORDER BY l) FROM string_to_table(word, NULL) l)
               = (SELECT string_agg(l, '' ORDER BY l) FROM string_to_table(typed, NULL) l) THEN 1
        ELSE d END
    FROM public.levenshtein_less_equal(word, typed, 2) AS d
$$;

CREATE TABLE crm.name_variant (
    variant text NOT NULL,
    word    text NOT NULL,
    PRIMARY KEY (variant, word)
);
GRANT SELECT, INSERT ON crm.name_variant TO crm_app;

-- Whoever adds a word adds its variants: forms, loads, the release before. Sorted, as in all that locks rows.
CREATE FUNCTION crm.add_variants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.name_variant (variant, word)
    SELECT v.variant, a.word
    FROM added a CROSS JOIN LATERAL unnest(crm.word_variants(a.word)) AS v (variant)
    WHERE length(a.word) >= 3 AND a.word !~ '^[0-9]+$'
    ORDER BY v.variant, a.word
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER add_variants AFTER INSERT ON crm.name_word
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION crm.add_variants();
INSERT INTO crm.name_variant (variant, word)
SELECT DISTINCT v.variant, w.word
FROM crm.name_word w CROSS JOIN LATERAL unnest(crm.word_variants(w.word)) AS v (variant)
WHERE length(w.word) >= 3 AND w.word !~ '^[0-9]+$';

-- For each word typed, the words of the dictionary that may be meant, and how like they are (1: itself).
CREATE FUNCTION crm.words_meant(typed text[]) RETURNS TABLE ("position" bigint, word text, likeness real)
LANGUAGE sql STABLE AS $$
    SELECT t.position, near.word, near.likeness
    FROM unnest(typed) WITH ORDINALITY AS t (word, position)
    CROSS JOIN LATERAL (
        SELECT t.word, 1::real AS likeness
        UNION ALL (
            SELECT v.word, 1 - crm.typing_errors(v.word, t.word)::real / length(t.word)
            FROM crm.name_variant v
            WHERE crm.errors_forgiven(t.word) > 0 AND v.variant = ANY (crm.word_variants(t.word))
              AND v.word <> t.word AND crm.typing_errors(v.word, t.word) <= crm.errors_forgiven(t.word)
            GROUP BY v.word ORDER BY 2 DESC, 1 LIMIT 20)
    ) AS near
$$;

-- Cards with all words, best first: as typed, and where these are fewer than wanted, with typing errors too.
-- SECURITY DEFINER, as the operator @@ is not leakproof and could not use its index under row-level security;
-- so it keeps to what the caller reaches itself, and whoever joins the cards is held to it once more.
CREATE FUNCTION crm.find_by_words(typed text[], wanted integer)
RETURNS TABLE (customer_id uuid, score real)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, crm SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    reached   text[]  := crm.granted('reads');
    whole     boolean := coalesce('customer:*' = ANY (reached), false);
    -- Of those who reach everything the first are enough to choose from; others' own may come last.
    enough    integer := CASE WHEN whole THEN wanted * 10 END;
    as_typed  tsquery;
    as_meant  tsquery;
    exact     bigint;
BEGIN
    IF coalesce(cardinality(typed), 0) = 0 THEN
        RETURN;
    END IF;
    SELECT string_agg(quote_literal(t), ' & ')::tsquery INTO as_typed FROM unnest(typed) t;
    RETURN QUERY
        SELECT found.id, (0.9 + 0.1 * cardinality(typed) / length(found.words))::real
        FROM (SELECT c.id, c.words FROM crm.customer c
              WHERE c.words @@ as_typed
                AND (whole OR crm.labels('customer', c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner,
                                         c.id) && reached)
              LIMIT enough) AS found
        ORDER BY 2 DESC, 1 DESC LIMIT wanted;
    GET DIAGNOSTICS exact = ROW_COUNT;
    IF exact >= wanted THEN
        RETURN;
    END IF;
    SELECT string_agg('(' || m.words || ')', ' & ')::tsquery INTO as_meant
    FROM (SELECT string_agg(quote_literal(word), ' | ') AS words FROM crm.words_meant(typed) GROUP BY position) m;
    RETURN QUERY
        WITH meant AS MATERIALIZED (SELECT * FROM crm.words_meant(typed)),
        found AS MATERIALIZED (
            SELECT c.id, tsvector_to_array(c.words) AS words FROM crm.customer c
            WHERE c.words @@ as_meant AND NOT c.words @@ as_typed
              AND (whole OR crm.labels('customer', c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner,
                                       c.id) && reached)
            LIMIT enough)
        SELECT f.id, (0.9 * likeness.mean + 0.1 * cardinality(typed) / cardinality(f.words))::real
        FROM found f CROSS JOIN LATERAL (
            SELECT avg(best.likeness) AS mean
            FROM (SELECT max(m.likeness) AS likeness FROM meant m WHERE m.word = ANY (f.words) GROUP BY m.position)
                AS best
        ) AS likeness
        ORDER BY 2 DESC, 1 DESC LIMIT wanted - exact;
END $$;

-- How old a read on this node may be at the most, in seconds: 0 on the primary. On a standby everything that
-- was committed before its last replayed commit is there; the observers' probes commit several times a second,
-- so the figure is tight where they run, and too high (never too low, but for the hosts' clocks) where nothing does.
CREATE FUNCTION crm.staleness() RETURNS double precision
LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN pg_is_in_recovery()
                THEN greatest(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) ELSE 0 END
$$;

GRANT EXECUTE ON FUNCTION crm.default_words(), crm.word_variants(text), crm.errors_forgiven(text),
    crm.typing_errors(text, text), crm.add_variants(), crm.words_meant(text[]),
    crm.find_by_words(text[], integer), crm.staleness() TO crm_app;
