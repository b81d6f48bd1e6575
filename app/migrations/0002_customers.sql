-- One base of companies and persons. Ids are UUIDv7, made by the API: their order is the order of creation.

-- An OGRN belongs to one INN; branches share both and differ in KPP. A card whose OGRN is registered
-- under another INN breaks customer_legal_entity_fkey.
CREATE TABLE crm.legal_entity (
    ogrn text PRIMARY KEY,
    inn  text NOT NULL,
    CONSTRAINT legal_entity_ogrn_inn_key UNIQUE (ogrn, inn)
);
GRANT SELECT, INSERT ON crm.legal_entity TO crm_app;

CREATE TABLE crm.customer (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind IN ('company', 'person')),
    stage       text        NOT NULL CHECK (stage IN ('lead', 'customer')),
    name        text        NOT NULL,
    inn         text,
    kpp         text,
    ogrn        text,
    external_id text        CHECK (length(external_id) <= 200),
    given       jsonb       NOT NULL,  -- what was entered, by field, before cleansing
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT customer_ogrn_needs_inn CHECK (ogrn IS NULL OR inn IS NOT NULL),
    CONSTRAINT customer_legal_entity_fkey FOREIGN KEY (ogrn, inn) REFERENCES crm.legal_entity (ogrn, inn)
);
CREATE UNIQUE INDEX customer_inn_kpp_key ON crm.customer (inn, coalesce(kpp, '')) WHERE inn IS NOT NULL;
CREATE UNIQUE INDEX customer_ogrn_kpp_key ON crm.customer (ogrn, coalesce(kpp, '')) WHERE ogrn IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON crm.customer TO crm_app;

CREATE TABLE crm.contact (
    id          uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES crm.customer (id),
    kind        text NOT NULL CHECK (kind IN ('phone', 'email')),
    value       text NOT NULL,  -- E.164 or a lower-case address
    person      text,
    position    smallint NOT NULL,
    CONSTRAINT contact_value_key UNIQUE (customer_id, kind, value)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON crm.contact TO crm_app;

-- Everything by which a customer is found, in one index: an identifier of any kind, or a word of the name.
CREATE TABLE crm.customer_key (
    value       text NOT NULL,
    kind        text NOT NULL,
    customer_id uuid NOT NULL REFERENCES crm.customer (id),
    PRIMARY KEY (value, kind, customer_id)
);
CREATE INDEX customer_key_customer_idx ON crm.customer_key (customer_id);
GRANT SELECT, INSERT, DELETE ON crm.customer_key TO crm_app;

-- Distinct words of all names. Words with typing errors are looked up here, among some hundred thousand
-- words, instead of by similarity among millions of names (0.3-0.7 s at ten million, facts.md).
CREATE TABLE crm.name_word (word text PRIMARY KEY);
CREATE INDEX name_word_trgm_idx ON crm.name_word USING gin (word public.gin_trgm_ops);
GRANT SELECT, INSERT ON crm.name_word TO crm_app;
