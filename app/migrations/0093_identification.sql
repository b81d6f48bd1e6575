-- Who is calling, and what may be told them (C7): scenarios that topics name, people who may speak for a customer,
-- and what was verified of whom.

CREATE TABLE crm.identification_scenario (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    levels     jsonb       NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.identification_scenario TO crm_app;

INSERT INTO crm.identification_scenario (code, active, title, levels) VALUES
    ('commercial', true,
     jsonb_build_object('ru', 'Представитель компании', 'en', 'Representative of a company', 'kk', 'Компания өкілі'),
     '[{"needs": ["company", "person"], "may_tell": ["open_requests", "closed_requests"], "hint": null},
       {"needs": ["company", "person", "representative"], "may_tell": ["customer", "cards", "transactions"], "hint": null}]'),
    ('personal', true,
     jsonb_build_object('ru', 'Частное лицо', 'en', 'Private person', 'kk', 'Жеке тұлға'),
     '[{"needs": ["phone", "person"], "may_tell": ["open_requests", "closed_requests"], "hint": null},
       {"needs": ["phone", "person", "card_last_four"], "may_tell": ["cards", "transactions"], "hint": null}]');
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'identification-scenarios', code, version, changed_at, changed_by,
       to_jsonb(s) - '{version,changed_at,changed_by}'::text[]
FROM crm.identification_scenario s;

-- A topic's scenario is one of these. Those that the first release brought get theirs unless somebody edited them.
WITH kept AS (
    UPDATE crm.topic t SET scenario = given.scenario, version = t.version + 1, changed_at = now()
    FROM (VALUES ('cards', 'commercial'), ('contracts', 'commercial'), ('billing', 'commercial'),
                 ('loyalty', 'personal')) AS given (code, scenario)
    WHERE t.code = given.code AND t.version = 1 AND t.scenario IS NULL
    RETURNING t.*
)
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'topics', k.code, k.version, k.changed_at, k.changed_by, to_jsonb(k) - '{version,changed_at,changed_by}'::text[]
FROM kept k;
ALTER TABLE crm.topic ADD CONSTRAINT topic_scenario_fkey
    FOREIGN KEY (scenario) REFERENCES crm.identification_scenario (code) NOT VALID;

CREATE TABLE crm.representative (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL CONSTRAINT representative_customer_id_fkey REFERENCES crm.customer (id),
    name        text        NOT NULL,
    phone       text,
    topics      text[]      NOT NULL,  -- empty: all
    valid_until timestamptz,
    document    text,
    revoked_at  timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX representative_customer_idx ON crm.representative (customer_id, id);
CREATE INDEX representative_phone_idx ON crm.representative (phone) WHERE phone IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON crm.representative TO crm_app;
SELECT crm.protect_by_parent('crm.representative', 'customer_id', 'crm.customer', 'customer',
    $$crm.labels('customer', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)$$);
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.representative FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');

-- What was found out of a caller; no values, only which evidence was right. Whoever asked sees it, and the audit.
CREATE TABLE crm.identification (
    id          uuid        PRIMARY KEY,
    topic       text        NOT NULL,
    scenario    text,
    outcome     text        NOT NULL,
    customer_id uuid        CONSTRAINT identification_customer_id_fkey REFERENCES crm.customer (id),
    level       smallint    NOT NULL,
    levels      smallint    NOT NULL,
    confirmed   text[]      NOT NULL,
    wrong       text[]      NOT NULL,
    needed      text[]      NOT NULL,
    may_tell    text[]      NOT NULL,
    at          timestamptz NOT NULL,
    actor       text        NOT NULL,
    valid_until timestamptz NOT NULL
);
CREATE INDEX identification_customer_idx ON crm.identification (customer_id, id) WHERE customer_id IS NOT NULL;
GRANT SELECT, INSERT ON crm.identification TO crm_app;
SELECT crm.protect('crm.identification', own, own, 'false')
FROM (VALUES ('actor = (SELECT crm.acting_principal())')) AS rule (own);
