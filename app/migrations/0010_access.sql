-- Who reaches which row. The API compiles a principal's rules (app/access/policy.py, the one table) into
-- labels such as `customer:*` or `request:unit=north`, and the gates hand them to the transaction. A row is
-- reached when one of its own labels is among them. Without the settings nothing is reached.

-- What the transaction was told. After a transaction a custom setting reads as '', not as missing.
CREATE FUNCTION crm.granted(action text) RETURNS text[]
LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('crm.' || action, true), '')::text[] $$;

CREATE FUNCTION crm.acting_principal() RETURNS text
LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('crm.principal', true), '') $$;

-- What a row gets that the principal makes: 1 manager, 2 unit, 3 region, 4 partner.
CREATE FUNCTION crm.stamp(part integer) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT (nullif(current_setting('crm.stamp', true), '')::text[])[part] $$;

-- Simple enough for the planner to put in the caller's place. A missing attribute gives NULL, which is
-- never among the labels granted.
CREATE FUNCTION crm.labels(
    resource text, manager text, unit text, region text, partner text, customer uuid
) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[resource || ':manager=' || manager, resource || ':unit=' || unit,
                 resource || ':region=' || region, resource || ':partner=' || partner,
                 resource || ':customer=' || customer]
$$;

GRANT EXECUTE ON FUNCTION crm.granted(text), crm.acting_principal(), crm.stamp(integer),
    crm.labels(text, text, text, text, text, uuid) TO crm_app;

-- The gates, told who is asking. Every setting ends with its transaction, so a pooled session keeps nothing.
CREATE FUNCTION crm.act(principal text, reads text, creates text, changes text, stamp text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('crm.principal', principal, true), set_config('crm.reads', reads, true),
            set_config('crm.creates', creates, true), set_config('crm.changes', changes, true),
            set_config('crm.stamp', stamp, true);
END $$;

CREATE FUNCTION crm.open_read(trace text, fresh boolean, principal text, reads text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('application_name', trace, true), set_config('crm.principal', principal, true),
            set_config('crm.reads', reads, true);
    IF fresh AND pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this node is a standby' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
    RETURN true;
END $$;

-- As open_write of 0001: CR001 = the key is being worked on, CR002 = it was answered already.
CREATE FUNCTION crm.open_write(
    trace text, principal text, key text, reads text, creates text, changes text, stamp text
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm.act(principal, reads, creates, changes, stamp);
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

GRANT EXECUTE ON FUNCTION crm.act(text, text, text, text, text), crm.open_read(text, boolean, text, text),
    crm.open_write(text, text, text, text, text, text, text) TO crm_app;

-- The release before this one serves on while hosts are brought up to date one by one: its gates act as
-- what it trusted everybody to be. A later migration drops them.
CREATE OR REPLACE FUNCTION crm.open_read(trace text, fresh boolean) RETURNS boolean
LANGUAGE sql AS $$
    SELECT crm.open_read(trace, fresh, 'anonymous', '{customer:*,request:*,card_transaction:*,other:*}')
$$;
CREATE OR REPLACE FUNCTION crm.open_write(trace text, principal text, key text) RETURNS void
LANGUAGE sql AS $$
    SELECT crm.open_write(trace, principal, key, granted, granted, granted, '{NULL,NULL,NULL,NULL}')
    FROM (VALUES ('{customer:*,request:*,card_transaction:*,other:*}')) AS everything (granted)
$$;

-- Protection of a table, in three words. `crm_owner` (migrations) and `crm_audit` are named explicitly, as
-- FORCE binds the owner too.
CREATE FUNCTION crm.protect(guarded regclass, may_read text, may_create text, may_change text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($sql$
        ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY;
        ALTER TABLE %1$s FORCE ROW LEVEL SECURITY;
        CREATE POLICY owner ON %1$s TO crm_owner USING (true) WITH CHECK (true);
        CREATE POLICY audit ON %1$s FOR SELECT TO crm_audit USING (true);
        CREATE POLICY app_read ON %1$s FOR SELECT TO crm_app USING (%2$s);
        CREATE POLICY app_create ON %1$s FOR INSERT TO crm_app WITH CHECK (%3$s);
        CREATE POLICY app_change ON %1$s FOR UPDATE TO crm_app USING (%4$s) WITH CHECK (%4$s);
        CREATE POLICY app_remove ON %1$s FOR DELETE TO crm_app USING (%4$s);
    $sql$, guarded, may_read, may_create, may_change);
END $$;

-- What "reached" means, as the text of a policy. The first half is asked once a statement and spares those
-- who reach everything the second, which is asked row by row.
CREATE FUNCTION crm.reached(action text, resource text, labels text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('((SELECT %2$L = ANY (crm.granted(%1$L))) OR (%3$s) && (SELECT crm.granted(%1$L)))',
                  action, resource || ':*', labels)
$$;

-- A table whose rows have labels of their own: `labels` is an expression over its columns.
CREATE FUNCTION crm.protect_by_labels(guarded regclass, resource text, labels text) RETURNS void
LANGUAGE sql AS $$
    SELECT crm.protect(guarded, crm.reached('reads', resource, labels),
                       crm.reached('creates', resource, labels), crm.reached('changes', resource, labels))
$$;

-- A table whose rows belong to a row of another one, `parent`, whose labels are `labels` over its alias p.
-- They are reached with it, and may be made or changed by whoever may make or change it.
CREATE FUNCTION crm.protect_by_parent(
    guarded regclass, foreign_key text, parent regclass, resource text, labels text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    whole text := format('(SELECT %L = ANY (crm.granted(%%L)))', resource || ':*');
    found text := format('EXISTS (SELECT FROM %s p WHERE p.id = %s.%I', parent, guarded, foreign_key);
    may_read text := format(whole, 'reads') || ' OR ' || found || ')';
    may_write text := format(whole, 'creates') || ' OR ' || format(whole, 'changes') || ' OR ' || found
        || format(' AND ((%1$s) && (SELECT crm.granted(%2$L)) OR (%1$s) && (SELECT crm.granted(%3$L))))',
                  labels, 'creates', 'changes');
BEGIN
    PERFORM crm.protect(guarded, may_read, may_write, may_write);
END $$;

-- Customers: assigned to a manager, a unit, a region, a partner; by default to who registers them.
ALTER TABLE crm.customer ADD COLUMN zone_manager text, ADD COLUMN zone_unit text,
    ADD COLUMN zone_region text, ADD COLUMN zone_partner text;
ALTER TABLE crm.customer ALTER COLUMN zone_manager SET DEFAULT crm.stamp(1),
    ALTER COLUMN zone_unit SET DEFAULT crm.stamp(2), ALTER COLUMN zone_region SET DEFAULT crm.stamp(3),
    ALTER COLUMN zone_partner SET DEFAULT crm.stamp(4);
SELECT crm.protect_by_labels('crm.customer', 'customer',
    $$crm.labels('customer', zone_manager, zone_unit, zone_region, zone_partner, id)$$);
SELECT crm.protect_by_parent(child, 'customer_id', 'crm.customer', 'customer',
    $$crm.labels('customer', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)$$)
FROM unnest('{crm.contact,crm.customer_key}'::regclass[]) AS child;

-- Requests: in the zone of their customer, else of who registers them. Whoever took one keeps it.
ALTER TABLE crm.request ADD COLUMN zone_manager text, ADD COLUMN zone_unit text,
    ADD COLUMN zone_region text, ADD COLUMN zone_partner text;
SELECT crm.protect_by_labels('crm.request', 'request',
    $$crm.labels('request', zone_manager, zone_unit, zone_region, zone_partner, customer_id)
      || ('request:manager=' || assignee)$$);
SELECT crm.protect_by_parent('crm.request_event', 'request_id', 'crm.request', 'request',
    $$crm.labels('request', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.customer_id)
      || ('request:manager=' || p.assignee)$$);

-- A customer out of reach is told from no customer at all by nobody: the foreign key alone would tell, as
-- its check sees all rows.
CREATE FUNCTION crm.place_request() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.customer_id IS NOT NULL THEN
        SELECT c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner
        INTO NEW.zone_manager, NEW.zone_unit, NEW.zone_region, NEW.zone_partner
        FROM crm.customer c WHERE c.id = NEW.customer_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no customer %', NEW.customer_id
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'request_customer_fkey';
        END IF;
    ELSE
        NEW.zone_manager := crm.stamp(1);
        NEW.zone_unit := crm.stamp(2);
        NEW.zone_region := crm.stamp(3);
        NEW.zone_partner := crm.stamp(4);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER place_request BEFORE INSERT ON crm.request FOR EACH ROW EXECUTE FUNCTION crm.place_request();

-- Everybody's answers are their own; the one that clears up reaches all.
SELECT crm.protect('crm.idempotency_key', own, own, own)
FROM (VALUES ($$principal = (SELECT crm.acting_principal()) OR (SELECT 'other:*' = ANY (crm.granted('changes')))$$))
    AS rule (own);
SELECT crm.protect_by_labels('crm.card_transaction', 'card_transaction', 'NULL::text[]');
-- Public facts of the companies' register, of use to anybody who is somebody; no endpoint shows them.
SELECT crm.protect('crm.legal_entity', somebody, somebody, somebody)
FROM (VALUES ('(SELECT crm.acting_principal() IS NOT NULL)')) AS rule (somebody);
-- crm.name_word stays open: it holds words without owners, and its trigram operator, not being leakproof,
-- could not use its index under row-level security.
