-- A worker with nothing to do, and a reader of the feed with nothing to read, write nothing: no transaction id,
-- no commit to wait for. So terms are held by an advisory lock instead of a row lock, and the row of the feed's head
-- is locked only when something waits to be numbered. And events go when they are 90 days old, whoever waits.

CREATE FUNCTION crm.term_lock() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended('crm worker term', 0)
$$;

CREATE OR REPLACE FUNCTION crm.begin_term(holder text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    began bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(crm.term_lock());  -- waits for what the holder before has under way
    UPDATE crm.worker_term t SET epoch = t.epoch + 1, holder = begin_term.holder, began_at = now()
    RETURNING t.epoch INTO began;
    RETURN began;
END $$;

-- The look comes after the lock, with a snapshot of its own: no term can begin between the two.
CREATE OR REPLACE FUNCTION crm.hold_term(epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(crm.term_lock());
    PERFORM FROM crm.worker_term t WHERE t.epoch = hold_term.epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another worker has taken over' USING ERRCODE = 'CR003';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION crm.term_lock() TO crm_app;

CREATE OR REPLACE FUNCTION crm.sequence_events(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head  bigint;
    moved bigint;
BEGIN
    PERFORM FROM crm.outbox LIMIT 1;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
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

-- A subscription that ended, or letters where no mail server is set, must not keep events for ever.
CREATE OR REPLACE FUNCTION crm.purge_events(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint;
    gone bigint;
BEGIN
    SELECT max(p.position) INTO last FROM (
        SELECT e.position, bool_and(e.at < before) OVER (ORDER BY e.position) AS over
        FROM (SELECT position, at FROM crm.event ORDER BY position LIMIT batch) e
    ) p WHERE p.over;
    IF last IS NULL THEN
        RETURN 0;
    END IF;
    DELETE FROM crm.delivery WHERE position <= last;
    DELETE FROM crm.event WHERE position <= last;
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE crm.event_head SET purged = greatest(purged, last);
    RETURN gone;
END $$;
