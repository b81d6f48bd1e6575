-- The worker's terms of office. Who is elected begins a term; each of its transactions holds it. A worker that
-- was deposed, and does not know yet, changes nothing any more, whatever its ZooKeeper session says.
CREATE TABLE crm.worker_term (
    epoch    bigint      NOT NULL,
    holder   text        NOT NULL,
    began_at timestamptz NOT NULL
) WITH (fillfactor = 10);
CREATE UNIQUE INDEX worker_term_one ON crm.worker_term ((true));
INSERT INTO crm.worker_term VALUES (0, 'nobody', now());
GRANT SELECT, UPDATE ON crm.worker_term TO crm_app;

-- Waits for what the holder before has under way, then lets nothing of it begin.
CREATE FUNCTION crm.begin_term(holder text) RETURNS bigint LANGUAGE sql AS $$
    UPDATE crm.worker_term SET epoch = epoch + 1, holder = begin_term.holder, began_at = now() RETURNING epoch
$$;

-- CR003: another worker has taken over.
CREATE FUNCTION crm.hold_term(epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM crm.worker_term t WHERE t.epoch = hold_term.epoch FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another worker has taken over' USING ERRCODE = 'CR003';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION crm.begin_term(text), crm.hold_term(bigint) TO crm_app;

SELECT crm.protect_by_labels('crm.worker_term', 'other', 'NULL::text[]');
