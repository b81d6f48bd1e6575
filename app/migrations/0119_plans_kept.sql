-- Functions in SQL that PostgreSQL does not put in their caller's place are planned anew by every statement that calls
-- them; those in PL/pgSQL once a session. They do what they did. Where the plan is good for any argument it is
-- not weighed against one for this argument either, which costs more than most of these calls.

CREATE OR REPLACE FUNCTION crm.contract_unit(customer uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT k.unit FROM crm.contract k, (SELECT (now() AT TIME ZONE 'UTC')::date) AS today (day)
        WHERE k.customer_id = contract_unit.customer AND k.status = 'active' AND k.valid_from <= today.day
          AND coalesce(k.valid_until >= today.day, true)
        ORDER BY k.id DESC LIMIT 1);
END $$;

CREATE OR REPLACE FUNCTION crm.surviving_customer(of uuid) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, crm AS $$
DECLARE
    surviving uuid;
BEGIN
    SELECT coalesce(c.merged_into, c.id) INTO surviving FROM crm.customer c WHERE c.id = of FOR KEY SHARE;
    RETURN surviving;
END $$;

-- Most tables call their customer so, and then no row has to become JSON and a row again.
CREATE OR REPLACE FUNCTION crm.follow_merge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named     uuid;
    surviving uuid;
BEGIN
    IF TG_ARGV[0] = 'customer_id' THEN
        NEW.customer_id := coalesce(crm.surviving_customer(NEW.customer_id), NEW.customer_id);
        RETURN NEW;
    END IF;
    named := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    surviving := crm.surviving_customer(named);
    IF surviving <> named THEN
        NEW := jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], surviving));
    END IF;
    RETURN NEW;
END $$;

-- Those at work in the units, and the manager, with how many open requests each has: all of them, whatever of
-- requests the caller may see, as the work is shared out by it. Whoever is busy to the brim is not counted further,
-- so that a backlog makes no registration slower.
CREATE FUNCTION crm.people_at_work(units text[], manager text)
RETURNS TABLE (
    code text, unit text, skills text[], lines smallint[], regions text[], capacity integer, load bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
        SELECT p.code, p.unit, p.skills, p.lines, p.regions, p.capacity,
               (SELECT count(*) FROM (SELECT FROM crm.request r WHERE r.assignee = p.code AND r.status <> 'closed'
                                      LIMIT p.capacity) AS open)
        FROM crm.person p
        WHERE p.active AND p.present
          AND (p.unit = ANY (people_at_work.units) OR p.code = people_at_work.manager);
END $$;
REVOKE EXECUTE ON FUNCTION crm.people_at_work(text[], text) FROM public;
GRANT EXECUTE ON FUNCTION crm.people_at_work(text[], text) TO crm_app;

CREATE OR REPLACE FUNCTION crm.word_variants(word text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    beginning text   := left(word, 7);
    variants  text[] := ARRAY[beginning];
BEGIN
    FOR place IN 1 .. length(beginning) LOOP
        variants := variants || overlay(beginning PLACING '' FROM place FOR 1);
    END LOOP;
    RETURN ARRAY(SELECT DISTINCT unnest(variants));
END $$;

-- Two errors in as many letters are one, if the letters are the same: those that only one of the words has are
-- looked for first, as nearly always there are some.
CREATE OR REPLACE FUNCTION crm.typing_errors(word text, typed text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    errors integer := public.levenshtein_less_equal(word, typed, 2);
BEGIN
    IF errors <> 2 OR length(word) <> length(typed) OR translate(word, typed, '') <> ''
       OR translate(typed, word, '') <> '' THEN
        RETURN errors;
    END IF;
    RETURN CASE WHEN (SELECT string_agg(l, '' ORDER BY l) FROM string_to_table(word, NULL) l)
                   = (SELECT string_agg(l, '' ORDER BY l) FROM string_to_table(typed, NULL) l) THEN 1 ELSE 2 END;
END $$;

-- Each candidate's errors are counted once, not for the choice and for its order.
CREATE OR REPLACE FUNCTION crm.words_meant(typed text[]) RETURNS TABLE ("position" bigint, word text, likeness real)
LANGUAGE sql STABLE AS $$
    SELECT t.position, near.word, near.likeness
    FROM unnest(typed) WITH ORDINALITY AS t (word, position)
    CROSS JOIN LATERAL (
        SELECT t.word, 1::real AS likeness
        UNION ALL (
            SELECT c.word, 1 - c.errors::real / length(t.word)
            FROM (
                SELECT v.word, crm.typing_errors(v.word, t.word) AS errors
                FROM (SELECT DISTINCT n.word FROM crm.name_variant n
                      WHERE crm.errors_forgiven(t.word) > 0 AND n.variant = ANY (crm.word_variants(t.word))
                        AND n.word <> t.word) AS v
                OFFSET 0) AS c
            WHERE c.errors <= crm.errors_forgiven(t.word)
            ORDER BY 2 DESC, 1 LIMIT 20)
    ) AS near
$$;

-- As in 0090, but for the words meant, which are looked up once.
CREATE OR REPLACE FUNCTION crm.find_by_words(typed text[], wanted integer)
RETURNS TABLE (customer_id uuid, score real)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, crm SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    reached   text[]  := crm.granted('reads');
    whole     boolean := coalesce('customer:*' = ANY (reached), false);
    -- Of those who reach everything the first are enough to choose from; others' own may come last.
    enough    integer := CASE WHEN whole THEN wanted * 10 END;
    as_typed  tsquery;
    as_meant  tsquery;
    places    bigint[];
    words     text[];
    likenesses real[];
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
    SELECT array_agg(m.position), array_agg(m.word), array_agg(m.likeness) INTO places, words, likenesses
    FROM crm.words_meant(typed) AS m;
    SELECT string_agg('(' || m.words || ')', ' & ')::tsquery INTO as_meant
    FROM (SELECT string_agg(quote_literal(w.word), ' | ') AS words
          FROM unnest(places, words) AS w ("position", word) GROUP BY w.position) AS m;
    RETURN QUERY
        WITH found AS MATERIALIZED (
            SELECT c.id, tsvector_to_array(c.words) AS words FROM crm.customer c
            WHERE c.words @@ as_meant AND NOT c.words @@ as_typed
              AND (whole OR crm.labels('customer', c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner,
                                       c.id) && reached)
            LIMIT enough)
        SELECT f.id, (0.9 * likeness.mean + 0.1 * cardinality(typed) / cardinality(f.words))::real
        FROM found f CROSS JOIN LATERAL (
            SELECT avg(best.likeness) AS mean
            FROM (SELECT max(m.likeness) AS likeness
                  FROM unnest(places, words, likenesses) AS m ("position", word, likeness)
                  WHERE m.word = ANY (f.words) GROUP BY m.position) AS best
        ) AS likeness
        ORDER BY 2 DESC, 1 DESC LIMIT wanted - exact;
END $$;
