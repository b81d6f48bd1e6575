-- Promotions (C6, docs/crm-finding.md): a directory; which hold for a customer now is shown in the single window.

CREATE TABLE crm.promotion (
    code           text        PRIMARY KEY,
    active         boolean     NOT NULL,
    version        integer     NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL DEFAULT now(),
    changed_by     text        NOT NULL DEFAULT 'migration',
    title          jsonb       NOT NULL,
    text           jsonb       NOT NULL,
    starts         timestamptz NOT NULL,
    ends           timestamptz NOT NULL,
    kinds          text[]      NOT NULL,  -- of the customer; so are the others. Empty: any
    stages         text[]      NOT NULL,
    customer_types text[]      NOT NULL,
    regions        text[]      NOT NULL,
    CONSTRAINT promotion_period CHECK (starts < ends)
);
GRANT SELECT, INSERT, UPDATE ON crm.promotion TO crm_app;
-- Those that are over, which entries become that are never deleted, are not looked at in each window.
CREATE INDEX promotion_ends_idx ON crm.promotion (ends) WHERE active;

-- As a foreign key, which an array cannot have: a mistyped region would make a promotion nobody's, silently. Regions stay
-- once they are there.
CREATE FUNCTION crm.check_promotion_regions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT NEW.regions <@ ARRAY(SELECT r.code FROM crm.region r) THEN
        RAISE EXCEPTION 'a region of promotion % is unknown', NEW.code
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'promotion_regions_fkey';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_regions BEFORE INSERT OR UPDATE ON crm.promotion
    FOR EACH ROW EXECUTE FUNCTION crm.check_promotion_regions();

-- Read by who works by the directories, and by who reads any customer: the window shows those that are for that one.
SELECT crm.protect('crm.promotion',
    crm.reached('reads', 'directory', 'NULL::text[]')
    || $$ OR (SELECT EXISTS (SELECT FROM unnest(crm.granted('reads')) AS g (label) WHERE g.label LIKE 'customer:%'))$$,
    crm.reached('creates', 'directory', 'NULL::text[]'), crm.reached('changes', 'directory', 'NULL::text[]'));
