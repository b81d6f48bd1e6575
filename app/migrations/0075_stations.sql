-- Stations, what they have in stock, and what the integrated systems owe us (K4, I3; docs/crm-cards.md).

CREATE TABLE crm.station (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      text        NOT NULL,
    known_as   text        NOT NULL CONSTRAINT station_known_as_key UNIQUE,  -- in the feeds
    region     text        NOT NULL CONSTRAINT station_region_fkey REFERENCES crm.region (code),
    address    text
);
GRANT SELECT, INSERT, UPDATE ON crm.station TO crm_app;

CREATE TABLE crm.product (
    code          text          PRIMARY KEY,
    active        boolean       NOT NULL,
    version       integer       NOT NULL DEFAULT 1,
    changed_at    timestamptz   NOT NULL DEFAULT now(),
    changed_by    text          NOT NULL DEFAULT 'migration',
    title         jsonb         NOT NULL,
    known_as      text          NOT NULL CONSTRAINT product_known_as_key UNIQUE,
    kind          text          NOT NULL,
    measure       text          NOT NULL,
    shortage_days numeric(6, 2) NOT NULL,  -- less than that many days of sales in stock is an alarm
    surplus_days  numeric(6, 2)            -- and more than that
);
GRANT SELECT, INSERT, UPDATE ON crm.product TO crm_app;
INSERT INTO crm.product (code, active, title, known_as, kind, measure, shortage_days, surplus_days)
SELECT p.code, true, jsonb_build_object('ru', p.ru, 'en', p.en, 'kk', p.kk), p.known_as, 'fuel', 'litre', 1.5, 14
FROM (VALUES ('ai-92', 'АИ-92', 'Petrol 92', 'АИ-92 бензині', 'AI-92'), ('ai-95', 'АИ-95', 'Petrol 95', 'АИ-95 бензині', 'AI-95'),
             ('ai-98', 'АИ-98', 'Petrol 98', 'АИ-98 бензині', 'AI-98'), ('dt', 'Дизельное топливо', 'Diesel', 'Дизель отыны', 'DT'),
             ('lpg', 'Сжиженный газ', 'LPG', 'Сұйытылған газ', 'LPG')) AS p (code, ru, en, kk, known_as);

-- What there is now: one row for each product of a station.
CREATE TABLE crm.stock (
    station      text           NOT NULL REFERENCES crm.station (code),
    product      text           NOT NULL REFERENCES crm.product (code),
    region       text           NOT NULL,
    level        numeric(14, 3) NOT NULL,
    capacity     numeric(14, 3),            -- of the tanks
    reported_at  timestamptz    NOT NULL,
    sold_per_day numeric(14, 3),            -- null until two reports tell
    alarm        text           CHECK (alarm IN ('shortage', 'surplus')),
    alarm_since  timestamptz,
    PRIMARY KEY (station, product),
    CONSTRAINT stock_alarm CHECK ((alarm IS NULL) = (alarm_since IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX stock_alarm_idx ON crm.stock (alarm, station, product) WHERE alarm IS NOT NULL;
CREATE INDEX stock_region_idx ON crm.stock (region, station, product);
GRANT SELECT, INSERT, UPDATE ON crm.stock TO crm_app;

-- What was sold between two reports, of which the rate is made. Kept as long as the rate looks back, and a little more.
CREATE TABLE crm.stock_report (
    station     text           NOT NULL,
    product     text           NOT NULL,
    reported_at timestamptz    NOT NULL,
    level       numeric(14, 3) NOT NULL,
    delivered   numeric(14, 3) NOT NULL,
    sold        numeric(16, 3),  -- null: first report, or the level rose by more than was delivered
    seconds     double precision,
    PRIMARY KEY (station, product, reported_at)
);
CREATE INDEX stock_report_age_idx ON crm.stock_report (reported_at);
GRANT SELECT, INSERT, DELETE ON crm.stock_report TO crm_app;

-- Which systems send us data, how often at least, and for each station or as one.
CREATE TABLE crm.data_feed (
    code             text        PRIMARY KEY,
    active           boolean     NOT NULL,
    version          integer     NOT NULL DEFAULT 1,
    changed_at       timestamptz NOT NULL DEFAULT now(),
    changed_by       text        NOT NULL DEFAULT 'migration',
    title            jsonb       NOT NULL,
    interval_minutes integer     NOT NULL,
    by_station       boolean     NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.data_feed TO crm_app;
INSERT INTO crm.data_feed (code, active, title, interval_minutes, by_station) VALUES
    ('processing', true, jsonb_build_object('ru', 'Процессинг карт', 'en', 'Card processing', 'kk', 'Карталар процессингі'), 15, false),
    ('stock', true, jsonb_build_object('ru', 'Остатки на АЗС', 'en', 'Stock of stations', 'kk', 'ЖҚС қалдықтары'), 120, true);

INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'products', p.code, p.version, p.changed_at, p.changed_by, to_jsonb(p) - '{version,changed_at,changed_by}'::text[]
FROM crm.product p
UNION ALL
SELECT 'data-feeds', f.code, f.version, f.changed_at, f.changed_by, to_jsonb(f) - '{version,changed_at,changed_by}'::text[]
FROM crm.data_feed f;

-- When each last sent something. `missed`: reported as missing, until the next arrival.
CREATE TABLE crm.data_arrival (
    feed    text        NOT NULL REFERENCES crm.data_feed (code),
    source  text        NOT NULL,  -- a station's code, or '' for the system as one
    last_at timestamptz,           -- null: never
    missed  timestamptz,
    PRIMARY KEY (feed, source)
) WITH (fillfactor = 70);
GRANT SELECT, INSERT, UPDATE ON crm.data_arrival TO crm_app;

-- When the processing system last brought something: seen from that, which spares its feed a row that all of its
-- batches would write. As the owner: that something came is no secret of those who may not see what.
CREATE FUNCTION crm.last_received() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.received_at FROM crm.card_transaction_detail d ORDER BY d.received_by DESC LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION crm.last_received() TO crm_app;

-- What is owed: every source of every active feed, with its last arrival.
CREATE VIEW crm.data_due WITH (security_invoker = true) AS
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
    WHERE f.active;
GRANT SELECT ON crm.data_due TO crm_app;

SELECT crm.protect(directory, crm.reached('reads', 'directory', 'NULL::text[]') || ' OR '
                              || crm.reached('reads', 'stock', 'NULL::text[]') || ' OR '
                              || crm.reached('reads', 'data_feed', 'NULL::text[]'),
                   crm.reached('creates', 'directory', 'NULL::text[]'), crm.reached('changes', 'directory', 'NULL::text[]'))
FROM unnest('{crm.station,crm.product,crm.data_feed}'::regclass[]) AS directory;
SELECT crm.protect(guarded, crm.reached('reads', 'stock', 'NULL::text[]'), crm.reached('creates', 'stock', 'NULL::text[]'),
                   crm.reached('creates', 'stock', 'NULL::text[]'))
FROM unnest('{crm.stock,crm.stock_report}'::regclass[]) AS guarded;
-- Whoever delivers levels has thereby arrived.
SELECT crm.protect('crm.data_arrival', crm.reached('reads', 'data_feed', 'NULL::text[]'), arrives, arrives)
FROM (VALUES (crm.reached('creates', 'data_feed', 'NULL::text[]') || ' OR '
              || crm.reached('creates', 'stock', 'NULL::text[]'))) AS rule (arrives);
