-- Duplicates become one card, and can be taken apart again (docs/decisions/0191-merging.md).

ALTER TABLE crm.customer ADD COLUMN merged_into uuid
    CONSTRAINT customer_merged_into_fkey REFERENCES crm.customer (id);
ALTER TABLE crm.customer ADD CONSTRAINT customer_not_into_itself CHECK (merged_into <> id) NOT VALID;
CREATE INDEX customer_merged_into_idx ON crm.customer (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE crm.customer_merge (
    id        uuid        PRIMARY KEY,
    source_id uuid        NOT NULL CONSTRAINT customer_merge_source_id_fkey REFERENCES crm.customer (id),
    target_id uuid        NOT NULL CONSTRAINT customer_merge_target_id_fkey REFERENCES crm.customer (id),
    reason    text        NOT NULL,
    actor     text        NOT NULL,
    at        timestamptz NOT NULL,
    fields    jsonb       NOT NULL,  -- what the target took of the source's fields, by name: {"before", "taken"}
    contacts  jsonb       NOT NULL,  -- which contacts it took: [[kind, value], …]
    rows      jsonb       NOT NULL,  -- the keys of the rows that moved, by table: {"crm.request.customer_id": […]}
    undone_at timestamptz,
    undone_by text
);
CREATE UNIQUE INDEX customer_merge_standing_key ON crm.customer_merge (source_id) WHERE undone_at IS NULL;
CREATE INDEX customer_merge_target_idx ON crm.customer_merge (target_id, id);
GRANT SELECT, INSERT, UPDATE ON crm.customer_merge TO crm_app;
SELECT crm.protect_by_parent('crm.customer_merge', 'target_id', 'crm.customer', 'customer',
    $$crm.labels('customer', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)$$);

-- Makes the rows of one customer those of another, in one table, and in the other's zone; returns their keys.
-- `only_keys`: just those. `sole`: nothing where the other has a row already. SECURITY DEFINER: all rows move,
-- whatever the caller sees of them; who may merge at all was decided by locking both cards as the caller.
CREATE FUNCTION crm.repoint_customer(
    relation regclass, reference name, key name, from_id uuid, to_id uuid, only_keys text[], sole boolean
) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, crm AS $$
DECLARE
    zone  text := '';
    moved text[];
BEGIN
    PERFORM FROM pg_constraint f JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attname = reference
    WHERE f.conrelid = relation AND f.confrelid = 'crm.customer'::regclass AND f.contype = 'f'
      AND f.conkey = ARRAY[a.attnum];
    IF NOT FOUND THEN
        RAISE EXCEPTION '%.% does not refer to a customer', relation, reference;
    END IF;
    IF relation <> 'crm.customer'::regclass AND EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = 'zone_manager' AND NOT a.attisdropped)
    THEN
        zone := ', (zone_manager, zone_unit, zone_region, zone_partner) ='
                ' (SELECT c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner FROM crm.customer c'
                ' WHERE c.id = $2)';
    END IF;
    EXECUTE format(
        'WITH moved AS (UPDATE %1$s t SET %2$I = $2 %4$s WHERE t.%2$I = $1 AND ($3 IS NULL OR t.%3$I::text = ANY ($3))'
        ' AND NOT ($4 AND EXISTS (SELECT FROM %1$s o WHERE o.%2$I = $2)) RETURNING t.%3$I::text AS key)'
        ' SELECT coalesce(array_agg(key ORDER BY key), ''{}'') FROM moved', relation, reference, key, zone)
    INTO moved USING from_id, to_id, only_keys, sole;
    RETURN moved;
END $$;

-- Whoever writes to a card that is being merged waits for it, and then writes to the card it became.
CREATE FUNCTION crm.surviving_customer(of uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, crm AS $$
    SELECT coalesce(c.merged_into, c.id) FROM crm.customer c WHERE c.id = of FOR KEY SHARE
$$;
CREATE FUNCTION crm.follow_merge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named     uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    surviving uuid := crm.surviving_customer(named);
BEGIN
    IF surviving <> named THEN
        NEW := jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], surviving));
    END IF;
    RETURN NEW;
END $$;
-- Before place_request, in the order of the alphabet.
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.request FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL)
    EXECUTE FUNCTION crm.follow_merge('customer_id');
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.call FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL)
    EXECUTE FUNCTION crm.follow_merge('customer_id');
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.card FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.account FOR EACH ROW WHEN (NEW.customer IS NOT NULL)
    EXECUTE FUNCTION crm.follow_merge('customer');

GRANT EXECUTE ON FUNCTION crm.repoint_customer(regclass, name, name, uuid, uuid, text[], boolean),
    crm.surviving_customer(uuid), crm.follow_merge() TO crm_app;
