-- Every change leaves as an event (docs/crm-integration.md). Its transaction puts it into crm.outbox; whoever
-- holds the one row of crm.event_head moves what is committed to crm.event and numbers it without gaps. So
-- positions become visible in their order, and a reader who has seen one has missed none below it.

CREATE TABLE crm.outbox (
    seq     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- taken under the entity's row lock
    id      uuid        NOT NULL,
    type    text        NOT NULL,
    entity  text        NOT NULL,  -- 'request:0198…': what events are kept in order for
    version integer,               -- of the entity after the change, where it has one
    at      timestamptz NOT NULL,
    data    jsonb       NOT NULL
);
GRANT INSERT ON crm.outbox TO crm_app;

CREATE TABLE crm.event (
    position bigint      PRIMARY KEY,
    id       uuid        NOT NULL UNIQUE,
    type     text        NOT NULL,
    entity   text        NOT NULL,
    version  integer,
    at       timestamptz NOT NULL,
    data     jsonb       NOT NULL
);
CREATE INDEX event_at_idx ON crm.event USING brin (at);
GRANT SELECT, DELETE ON crm.event TO crm_app;

CREATE TABLE crm.event_head (position bigint NOT NULL, purged bigint NOT NULL) WITH (fillfactor = 10);
CREATE UNIQUE INDEX event_head_one ON crm.event_head ((true));
INSERT INTO crm.event_head VALUES (0, 0);
GRANT SELECT ON crm.event_head TO crm_app;

-- How far those who pull have read. Written with each page: its commit waits for the standbys, so no
-- position is shown that a failover could take back.
CREATE TABLE crm.feed_reader (
    principal text        PRIMARY KEY,
    position  bigint      NOT NULL,
    read_at   timestamptz NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON crm.feed_reader TO crm_app;

-- Who is sent events. Secrets are derived from CRM_ACCESS_SECRET and never stored.
CREATE TABLE crm.subscription (
    id             uuid        PRIMARY KEY,
    target         text        NOT NULL CHECK (target IN ('webhook', 'mail')),
    url            text        NOT NULL,
    title          text        NOT NULL,
    types          text[]      NOT NULL CHECK (cardinality(types) > 0),  -- 'request.closed', 'request.*', '*'
    matching       jsonb       NOT NULL,  -- what data must contain
    active         boolean     NOT NULL,
    secret_number  integer     NOT NULL DEFAULT 1,
    rotated_at     timestamptz,           -- the secret before signs too for a day
    version        integer     NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL,
    failures       integer     NOT NULL DEFAULT 0,  -- groups in a row that reached nobody
    hold_until     timestamptz
);
GRANT SELECT, INSERT, UPDATE ON crm.subscription TO crm_app;

CREATE TABLE crm.delivery (
    subscription_id uuid        NOT NULL REFERENCES crm.subscription (id),
    position        bigint      NOT NULL,
    entity          text        NOT NULL,
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts        smallint    NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    claimed_until   timestamptz,
    answer          text,       -- what the last attempt met
    finished_at     timestamptz,
    PRIMARY KEY (subscription_id, position)
) WITH (fillfactor = 70);
CREATE INDEX delivery_pending_idx ON crm.delivery (subscription_id, entity, position) WHERE status = 'pending';
CREATE INDEX delivery_open_idx ON crm.delivery (subscription_id, position) WHERE status = 'pending';
CREATE INDEX delivery_dead_idx ON crm.delivery (subscription_id, position) WHERE status = 'dead';
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.delivery TO crm_app;

CREATE FUNCTION crm.wants(types text[], type text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT types && ARRAY['*', type, split_part(type, '.', 1) || '.*']
$$;

-- Numbers what was committed, oldest first, and hands it to those who subscribed. Returns how many; 0 also
-- when another session is at it. Anybody may call it at any time: the row of event_head lets one do it.
CREATE FUNCTION crm.sequence_events(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head  bigint;
    moved bigint;
BEGIN
    SELECT h.position INTO head FROM crm.event_head h FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    -- This statement's snapshot was taken after the lock: it sees all that the holder before left.
    WITH taken AS (
        DELETE FROM crm.outbox WHERE seq IN (SELECT o.seq FROM crm.outbox o ORDER BY o.seq LIMIT batch)
        RETURNING seq, id, type, entity, version, at, data
    ), placed AS (
        INSERT INTO crm.event (position, id, type, entity, version, at, data)
        SELECT head + row_number() OVER (ORDER BY t.seq), t.id, t.type, t.entity, t.version, t.at, t.data
        FROM taken t
        RETURNING position, type, entity, data
    ), fanned AS (
        INSERT INTO crm.delivery (subscription_id, position, entity)
        SELECT s.id, p.position, p.entity
        FROM placed p JOIN crm.subscription s ON s.active AND crm.wants(s.types, p.type) AND p.data @> s.matching
    )
    SELECT count(*) INTO moved FROM placed;
    IF moved > 0 THEN
        UPDATE crm.event_head SET position = head + moved;
    END IF;
    RETURN moved;
END $$;

-- Old events that nobody waits for any more. Cursors below `purged` are told so.
CREATE FUNCTION crm.purge_events(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint;
    gone bigint;
BEGIN
    PERFORM FROM crm.event_head FOR UPDATE;
    SELECT max(p.position) INTO last FROM (
        SELECT e.position, bool_and(e.at < before AND NOT EXISTS (
                   SELECT FROM crm.delivery d WHERE d.position = e.position AND d.status = 'pending'))
               OVER (ORDER BY e.position) AS over
        FROM (SELECT position, at FROM crm.event ORDER BY position LIMIT batch) e
    ) p WHERE p.over;
    IF last IS NULL THEN
        RETURN 0;
    END IF;
    DELETE FROM crm.delivery d USING crm.event e WHERE e.position <= last AND d.position = e.position;
    DELETE FROM crm.event WHERE position <= last;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE crm.event_head SET purged = last;
    RETURN gone;
END $$;
CREATE INDEX delivery_position_idx ON crm.delivery (position);

GRANT EXECUTE ON FUNCTION crm.sequence_events(integer), crm.purge_events(timestamptz, integer),
    crm.wants(text[], text) TO crm_app;

-- Anybody who is somebody leaves events, nobody reads them there; the feed is for those with `event`.
SELECT crm.protect('crm.outbox', 'false', '(SELECT crm.acting_principal() IS NOT NULL)', 'false');
SELECT crm.protect_by_labels(guarded, 'event', 'NULL::text[]')
FROM unnest('{crm.event,crm.event_head}'::regclass[]) AS guarded;
SELECT crm.protect_by_labels(guarded, 'subscription', 'NULL::text[]')
FROM unnest('{crm.subscription,crm.delivery}'::regclass[]) AS guarded;
SELECT crm.protect('crm.feed_reader', own || ' OR ' || read, own, own)
FROM (VALUES ('principal = (SELECT crm.acting_principal())', crm.reached('reads', 'subscription', 'NULL::text[]')))
    AS rule (own, read);
