-- A subscription can be removed. What it has of deliveries may be much, so its end is told at once and its rows go in
-- batches of the worker's: removing them with it would hold up the numbering of events, which refers to it.
ALTER TABLE crm.subscription ADD COLUMN removed_at timestamptz;

-- `before` must lie further back than any transaction under way began: until then one may give it a delivery more.
-- Returns how many deliveries went.
CREATE FUNCTION crm.purge_subscriptions(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM crm.delivery d USING (
        SELECT o.subscription_id, o.position
        FROM crm.subscription s JOIN crm.delivery o ON o.subscription_id = s.id
        WHERE s.removed_at < before LIMIT batch
    ) old
    WHERE d.subscription_id = old.subscription_id AND d.position = old.position;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM crm.subscription s
    WHERE s.removed_at < before AND NOT EXISTS (SELECT FROM crm.delivery d WHERE d.subscription_id = s.id);
    RETURN gone;
END $$;
GRANT EXECUTE ON FUNCTION crm.purge_subscriptions(timestamptz, integer) TO crm_app;
