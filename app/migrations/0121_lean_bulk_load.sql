-- What a bulk load paid for each card beside writing it (docs/decisions/0193-lean-cards.md).

-- Everything by which a customer is found exactly. What stands on the card or on a contact is read there; only the
-- rest is a row of crm.customer_key: the address as it is compared, and what other slices add.
CREATE VIEW crm.exact_key (value, kind, customer_id) WITH (security_invoker = true) AS
SELECT c.inn, 'inn', c.id FROM crm.customer c WHERE c.inn IS NOT NULL
UNION ALL
SELECT c.ogrn, 'ogrn', c.id FROM crm.customer c WHERE c.ogrn IS NOT NULL
UNION ALL
SELECT c.snils, 'snils', c.id FROM crm.customer c WHERE c.snils IS NOT NULL
UNION ALL
SELECT c.external_id, 'external_id', c.id FROM crm.customer c WHERE c.external_id IS NOT NULL
UNION ALL
SELECT t.value, t.kind, t.customer_id FROM crm.contact t
UNION ALL
SELECT k.value, k.kind, k.customer_id FROM crm.customer_key k
WHERE k.kind NOT IN ('inn', 'ogrn', 'snils', 'external_id', 'phone', 'email', 'name');
GRANT SELECT ON crm.exact_key TO crm_app, crm_audit;

-- Whether the others are written to crm.customer_key as well: the release before this one looks for them there. Put in
-- the caller's place by the planner, so that what it forbids is not even begun. Migration 0122 says no.
CREATE FUNCTION crm.keys_are_doubled() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';

-- In the order in which forms take them.
LOCK TABLE crm.legal_entity, crm.customer, crm.contact IN ACCESS EXCLUSIVE MODE;

-- Two foreign keys whose other end neither goes away nor changes, checked once a statement instead of row by row: the
-- check of a row locks the other end as well, which makes a version of it. By arrays, so that no figures of the planner
-- (and no session that goes without nested loops) make it read a table of millions.
CREATE FUNCTION crm.check_owners_of_contacts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    IF (SELECT count(DISTINCT a.customer_id) FROM added a)
       > (SELECT count(*) FROM crm.customer c WHERE c.id = ANY (ARRAY(SELECT a.customer_id FROM added a))) THEN
        RAISE EXCEPTION 'a contact of no customer'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'contact_customer_id_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER owner_is_there AFTER INSERT ON crm.contact
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION crm.check_owners_of_contacts();
CREATE FUNCTION crm.check_owner_of_contact() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM crm.customer c WHERE c.id = NEW.customer_id) THEN
        RAISE EXCEPTION 'a contact of no customer'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'contact_customer_id_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER owner_is_there_update AFTER UPDATE OF customer_id ON crm.contact
    FOR EACH ROW WHEN (NEW.customer_id <> OLD.customer_id) EXECUTE FUNCTION crm.check_owner_of_contact();
ALTER TABLE crm.contact DROP CONSTRAINT contact_customer_id_fkey;

CREATE FUNCTION crm.check_legal_entities() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (
        SELECT a.ogrn, a.inn FROM added a WHERE a.ogrn IS NOT NULL
        EXCEPT
        SELECT e.ogrn, e.inn FROM crm.legal_entity e
        WHERE e.ogrn = ANY (ARRAY(SELECT a.ogrn FROM added a WHERE a.ogrn IS NOT NULL))
    ) THEN
        RAISE EXCEPTION 'an OGRN of another INN'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'customer_legal_entity_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER legal_entity_is_its_own_insert AFTER INSERT ON crm.customer
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION crm.check_legal_entities();
CREATE FUNCTION crm.check_legal_entity() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM crm.legal_entity e WHERE e.ogrn = NEW.ogrn AND e.inn = NEW.inn) THEN
        RAISE EXCEPTION 'an OGRN of another INN'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'customer_legal_entity_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER legal_entity_is_its_own_update AFTER UPDATE OF ogrn, inn ON crm.customer
    FOR EACH ROW WHEN (NEW.ogrn IS NOT NULL AND (NEW.ogrn, NEW.inn) IS DISTINCT FROM (OLD.ogrn, OLD.inn))
    EXECUTE FUNCTION crm.check_legal_entity();
ALTER TABLE crm.customer DROP CONSTRAINT customer_legal_entity_fkey;
ALTER TABLE crm.legal_entity DROP CONSTRAINT legal_entity_ogrn_inn_key;

CREATE FUNCTION crm.stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %: others refer to its rows', lower(TG_OP), TG_TABLE_NAME
        USING ERRCODE = 'foreign_key_violation';
END $$;
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON crm.customer
    FOR EACH STATEMENT EXECUTE FUNCTION crm.stays();
CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE OR UPDATE ON crm.legal_entity
    FOR EACH STATEMENT EXECUTE FUNCTION crm.stays();

-- As 0114, but for ON CONFLICT, which looks for each row before it is written: a new word's variants are new.
CREATE OR REPLACE FUNCTION crm.add_variants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.name_variant (variant, word)
    SELECT v.variant, v.word
    FROM (
        SELECT overlay(left(a.word, 7) PLACING '' FROM place FOR 1) COLLATE "C" AS variant, a.word
        FROM added a CROSS JOIN generate_series(1, 7) AS place
        WHERE length(a.word) >= 3 AND a.word !~ '^[0-9]+$' AND place <= length(a.word)
        UNION
        SELECT left(a.word, 7) COLLATE "C", a.word FROM added a
        WHERE length(a.word) >= 3 AND a.word !~ '^[0-9]+$'
    ) AS v
    ORDER BY v.variant COLLATE "C", v.word COLLATE "C";
    RETURN NULL;
END $$;

GRANT EXECUTE ON FUNCTION crm.keys_are_doubled(), crm.check_owners_of_contacts(), crm.check_owner_of_contact(),
    crm.check_legal_entities(), crm.check_legal_entity(), crm.stays() TO crm_app;
