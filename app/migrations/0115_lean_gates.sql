-- The gates as before (0010), told in one go: assignments are evaluated by PL/pgSQL itself, a PERFORM each runs a query.

CREATE OR REPLACE FUNCTION crm.open_read(trace text, fresh boolean, principal text, reads text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    told text := concat(
        set_config('application_name', trace, true), set_config('crm.principal', principal, true),
        set_config('crm.reads', reads, true));
BEGIN
    IF fresh AND pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this node is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN true;
END $$;

-- As open_write of 0001: CR001 = the key is being worked on, CR002 = it was answered already.
CREATE OR REPLACE FUNCTION crm.open_write(
    trace text, principal text, key text, reads text, creates text, changes text, stamp text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    told text := concat(
        set_config('application_name', trace, true), set_config('crm.principal', principal, true),
        set_config('crm.reads', reads, true), set_config('crm.creates', creates, true),
        set_config('crm.changes', changes, true), set_config('crm.stamp', stamp, true));
BEGIN
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
