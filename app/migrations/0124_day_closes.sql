-- The day's close of the processing system beside what came of that day (I3, docs/crm-cards.md).

-- One row a day (Moscow's, as the processing system's): the close as it was told last, and what the last look found.
CREATE TABLE crm.day_close (
    day          date        PRIMARY KEY,
    state        text        NOT NULL CHECK (state IN ('told', 'matched', 'differs', 'missing')),
    closed_at    timestamptz,                     -- null: nobody has told
    totals       jsonb       NOT NULL DEFAULT '[]',
    transactions bigint      NOT NULL DEFAULT 0,  -- told
    found        bigint,                          -- and there, at the last look
    differing    integer,
    compared_at  timestamptz,
    look_at      timestamptz,                     -- when it is to be compared; null: there is nothing new
    asks         integer     NOT NULL DEFAULT 0,  -- what comes in during a look asks for another
    CONSTRAINT day_close_told CHECK ((closed_at IS NULL) = (state = 'missing'))
) WITH (fillfactor = 70);
GRANT SELECT, INSERT, UPDATE ON crm.day_close TO crm_app;

-- What looks have found: a row where it is not what the look before had found.
CREATE TABLE crm.day_comparison (
    day         date        NOT NULL REFERENCES crm.day_close (day),
    compared_at timestamptz NOT NULL,
    state       text        NOT NULL,
    found       bigint,
    differing   integer     NOT NULL,
    differences jsonb       NOT NULL,             -- the first of them
    PRIMARY KEY (day, compared_at)
);
GRANT SELECT, INSERT ON crm.day_comparison TO crm_app;

SELECT crm.protect(guarded, crm.reached('reads', 'data_feed', 'NULL::text[]'),
                   crm.reached('creates', 'data_feed', 'NULL::text[]'), crm.reached('creates', 'data_feed', 'NULL::text[]'))
FROM unnest('{crm.day_close,crm.day_comparison}'::regclass[]) AS guarded;

CREATE FUNCTION crm.day_end(day date) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT (day_end.day + 1)::timestamp AT TIME ZONE 'Europe/Moscow'
$$;
GRANT EXECUTE ON FUNCTION crm.day_end(date) TO crm_app;

-- What came of a period, in sums by kind: the sign of the amount. As the owner: whoever may compare a day may see all of
-- it, and the policy's way by cards, which the planner would weigh for each row, leads it away from the index below.
-- EXECUTE has it planned for the period that is asked for.
CREATE FUNCTION crm.card_transaction_totals(since timestamptz, until timestamptz, by_station boolean)
RETURNS TABLE (station text, kind text, currency text, transactions bigint, amount numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF ('data_feed:*' = ANY (crm.granted('changes'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'not yours to compare' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY EXECUTE $sql$
        SELECT CASE WHEN $3 THEN d.station ELSE '' END, CASE WHEN d.amount < 0 THEN 'return' ELSE 'purchase' END,
               d.currency::text, count(*), sum(d.amount)
        FROM crm.card_transaction_detail d WHERE d.occurred_at >= $1 AND d.occurred_at < $2
        GROUP BY 1, 2, 3 $sql$ USING since, until, by_station;
END $$;
GRANT EXECUTE ON FUNCTION crm.card_transaction_totals(timestamptz, timestamptz, boolean) TO crm_app;

-- A feed like the others, with the close of each day as a source of its own. The minutes count from the day's end.
INSERT INTO crm.data_feed (code, active, title, interval_minutes, by_station) VALUES
    ('day-close', true, jsonb_build_object('ru', 'Закрытие дня процессинга', 'en', 'Day''s close of the card processing',
                                           'kk', 'Процессингтің күнін жабу'), 180, false)
ON CONFLICT (code) DO NOTHING;
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'data-feeds', f.code, f.version, f.changed_at, f.changed_by, to_jsonb(f) - '{version,changed_at,changed_by}'::text[]
FROM crm.data_feed f WHERE f.code = 'day-close'
ON CONFLICT DO NOTHING;

-- As in 0075; and a day that is not closed, or does not match, by the time at which its close is owed. One that matches is
-- never due: so its mark is taken off, as that of a feed which is heard of again.
CREATE OR REPLACE VIEW crm.data_due WITH (security_invoker = true) AS
    SELECT f.code AS feed, s.source, a.last_at, a.missed,
           coalesce(a.last_at, s.since) + make_interval(mins => f.interval_minutes) AS due_at
    FROM crm.data_feed f
    CROSS JOIN LATERAL (
        SELECT '' AS source, f.changed_at AS since WHERE NOT f.by_station
        UNION ALL
        SELECT t.code, greatest(t.changed_at, f.changed_at) FROM crm.station t WHERE f.by_station AND t.active
    ) AS s
    LEFT JOIN LATERAL (
        SELECT d.last_at, d.missed FROM crm.data_arrival d
        WHERE d.feed = f.code AND d.source = s.source AND f.code <> 'processing'
        UNION ALL
        SELECT crm.last_received(),
               (SELECT d.missed FROM crm.data_arrival d WHERE d.feed = 'processing' AND d.source = '')
        WHERE f.code = 'processing'
    ) AS a ON true
    WHERE f.active AND f.code <> 'day-close'
    UNION ALL
    SELECT f.code, c.day::text, c.closed_at, a.missed,
           CASE WHEN c.state IN ('missing', 'differs')
                THEN crm.day_end(c.day) + make_interval(mins => f.interval_minutes) ELSE 'infinity' END
    FROM crm.data_feed f
    CROSS JOIN crm.day_close c
    LEFT JOIN crm.data_arrival a ON a.feed = f.code AND a.source = c.day::text
    WHERE f.active AND f.code = 'day-close';

-- A day of a month, without reading all of the month: transactions come in the order of their moments, nearly. New months
-- have it by themselves (ensure_card_transaction_month). Of those that are there, only the small ones get it here, as
-- building it holds the feed up; an estate with large ones builds theirs CONCURRENTLY (docs/crm-cards.md), or waits.
CREATE INDEX card_transaction_detail_occurred_idx ON ONLY crm.card_transaction_detail
    USING brin (occurred_at) WITH (autosummarize = on);
DO $$
DECLARE
    month regclass;
BEGIN
    FOR month IN SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = 'crm.card_transaction_detail'::regclass LOOP
        IF pg_relation_size(month) < 256 * 1024 * 1024 THEN
            EXECUTE format('CREATE INDEX ON %s USING brin (occurred_at) WITH (autosummarize = on)', month);
            EXECUTE format('ALTER INDEX crm.card_transaction_detail_occurred_idx ATTACH PARTITION %s', (
                SELECT x.indexrelid::regclass FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
                JOIN pg_am a ON a.oid = c.relam WHERE x.indrelid = month AND a.amname = 'brin'));
        END IF;
    END LOOP;
END $$;
