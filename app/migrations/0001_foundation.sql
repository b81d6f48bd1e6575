-- What every slice stands on: who may see the schema, the idempotency keys, and the two gates through
-- which each read and each write of the API enters its transaction.

-- Trigrams of Cyrillic words exist only where the database's character type knows letters beyond ASCII.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
DO $$
BEGIN
    IF cardinality(public.show_trgm('нефть')) = 0 THEN
        RAISE EXCEPTION 'the database''s LC_CTYPE knows no Cyrillic letters; create it with C.UTF-8 or ru_RU.UTF-8';
    END IF;
END $$;

GRANT USAGE ON SCHEMA crm TO crm_app, crm_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA crm TO crm_audit;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm GRANT SELECT ON TABLES TO crm_audit;
ALTER DEFAULT PRIVILEGES IN SCHEMA crm REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The answer given to a command, stored by the command's own transaction: both exist or neither does.
CREATE TABLE crm.idempotency_key (
    principal   text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,  -- SHA-256 of method, path and body
    status      smallint    NOT NULL,
    headers     jsonb       NOT NULL,  -- Location, ETag
    body        bytea       NOT NULL,  -- exactly as sent, so that a replay is the same to the byte
    replays     integer     NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal, key)
) WITH (fillfactor = 90);
CREATE INDEX idempotency_key_created_at_idx ON crm.idempotency_key USING brin (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.idempotency_key TO crm_app;

-- The gate of every read: names the request in pg_stat_activity and in the server's log (for this
-- transaction only, so it is safe under transaction pooling), and refuses a standby where the caller
-- asked for the present.
CREATE FUNCTION crm.open_read(trace text, fresh boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('application_name', trace, true);
    IF fresh AND pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this node is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN true;
END $$;

-- The gate of every write. With a key it claims it: CR001 = the same key is being worked on now,
-- CR002 = it was answered already. The lock comes before the look-up, and each query inside sees what
-- was committed before it, so nothing can slip between the two.
CREATE FUNCTION crm.open_write(trace text, principal text, key text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('application_name', trace, true);
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this node is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    IF open_write.key IS NULL THEN
        RETURN;
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtextextended(open_write.principal || E'\n' || open_write.key, 0)) THEN
        RAISE EXCEPTION 'idempotency key is in progress' USING ERRCODE = 'CR001';
    END IF;
    PERFORM FROM crm.idempotency_key k WHERE k.principal = open_write.principal AND k.key = open_write.key;
    IF FOUND THEN
        RAISE EXCEPTION 'idempotency key was answered' USING ERRCODE = 'CR002';
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION crm.open_read(text, boolean), crm.open_write(text, text, text) TO crm_app;
