-- What is agreed with a customer, ordered and complained about: deals, tasks, contracts, orders, claims. Each is a table
-- of its own whose columns are the fields of its shape (app/records/); they share their protection and one history.

-- A table of rows that belong to a customer and are reached with it, as far as the role's rule for `resource` says.
-- `others`: labels that a row has by itself, over its own columns. `resource` is an expression: a constant or a column.
CREATE FUNCTION crm.protect_by_customer(guarded regclass, resource text, others text DEFAULT 'NULL::text[]') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    rule text := format($rule$((SELECT crm.granted(%%1$L)) @> ARRAY[%1$s || ':*'] OR (%2$s) && (SELECT crm.granted(%%1$L))
        OR EXISTS (SELECT FROM crm.customer p WHERE p.id = %3$s.customer_id
                   AND crm.labels(%1$s, p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)
                       && (SELECT crm.granted(%%1$L))))$rule$, resource, others, guarded);
    creates text := format(rule, 'creates');
    changes text := format(rule, 'changes');
BEGIN
    PERFORM crm.protect(guarded, format(rule, 'reads'), creates, changes);
END $$;

-- One history for all of them. `noun` is the resource of the table of rules that the record belongs to.
CREATE TABLE crm.record_event (
    record_id   uuid        NOT NULL,
    version     integer     NOT NULL,
    noun        text        NOT NULL,
    customer_id uuid        NOT NULL CONSTRAINT record_event_customer_id_fkey REFERENCES crm.customer (id),
    kind        text        NOT NULL,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    note        text,
    PRIMARY KEY (record_id, version)
);
CREATE INDEX record_event_customer_idx ON crm.record_event (customer_id);
GRANT SELECT, INSERT ON crm.record_event TO crm_app;
-- A step is written down by whoever may change the record, and its first by whoever may make it.
SELECT crm.protect_by_customer('crm.record_event', 'record_event.noun');
DROP POLICY app_create ON crm.record_event;
CREATE POLICY app_create ON crm.record_event FOR INSERT TO crm_app
    WITH CHECK ((SELECT crm.acting_principal() IS NOT NULL));

-- A card that was merged meanwhile leads to the one it became (0091).
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.record_event FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
