-- What is not kept for ever, in bounded batches for the worker (app/retention/).

CREATE INDEX call_keep_until_idx ON crm.call (keep_until) WHERE keep_until IS NOT NULL;

-- Calls whose time is over, with the links to their recordings. Recordings of changes to personal data are kept for
-- ever (R14): they have no `keep_until`, by the constraint call_kept_for_ever, and are named here once more. The log
-- says which calls went. The API's role cannot remove calls otherwise.
CREATE FUNCTION crm.purge_calls(site text, batch integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = crm, pg_temp AS $$
    WITH due AS (
        SELECT c.id FROM crm.call c
        WHERE c.keep_until < now() AND NOT c.personal_data_changed
        ORDER BY c.keep_until LIMIT purge_calls.batch FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM crm.call c USING due WHERE c.id = due.id RETURNING c.id
    ), told AS (
        INSERT INTO crm.audit_pending (id, site, kind, principal, operation, status, subjects, trace)
        SELECT crm.new_id(), purge_calls.site, 'write', 'system:retention', 'purge', 200,
               array_agg('calls/' || g.id), 'crm purge-calls'
        FROM gone g HAVING count(*) > 0
    )
    SELECT count(*) FROM gone
$$;

-- Answers that nobody repeats any more. Oldest first by way of the index over blocks.
CREATE FUNCTION crm.expire_keys(before timestamptz, batch integer) RETURNS bigint
LANGUAGE sql AS $$
    WITH old AS (
        SELECT k.principal, k.key FROM crm.idempotency_key k
        WHERE k.created_at < expire_keys.before LIMIT expire_keys.batch FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM crm.idempotency_key k USING old
        WHERE k.principal = old.principal AND k.key = old.key RETURNING k.key
    )
    SELECT count(*) FROM gone
$$;

GRANT EXECUTE ON FUNCTION crm.purge_calls(text, integer), crm.expire_keys(timestamptz, integer) TO crm_app;
