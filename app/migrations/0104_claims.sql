-- Claims on quality, quantity and delivery (S6): the kind decides the documents; the topic, who gets it.

CREATE TABLE crm.claim_kind (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    about      text        NOT NULL CHECK (about IN ('quality', 'quantity', 'delivery')),
    topic      text        NOT NULL CONSTRAINT claim_kind_topic_fkey REFERENCES crm.topic (code),
    documents  jsonb       NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.claim_kind TO crm_app;

CREATE SEQUENCE crm.claim_number;
GRANT USAGE ON SEQUENCE crm.claim_number TO crm_app;

CREATE TABLE crm.claim (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL CONSTRAINT claim_customer_id_fkey REFERENCES crm.customer (id),
    version     integer     NOT NULL,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    number      text        NOT NULL CONSTRAINT claim_number_key UNIQUE,
    status      text        NOT NULL CHECK (status IN ('draft', 'submitted', 'accepted', 'refused', 'settled')),
    kind        text        NOT NULL CONSTRAINT claim_kind_fkey REFERENCES crm.claim_kind (code),
    order_id    uuid        CONSTRAINT claim_order_id_fkey REFERENCES crm.sales_order (id),
    subject     text        NOT NULL,
    text        text        NOT NULL,
    documents   jsonb       NOT NULL,  -- what crm.claim_document holds, without the content
    request_id  uuid        CONSTRAINT claim_request_id_fkey REFERENCES crm.request (id),
    unit        text,
    manager     text,
    resolution  text
);
CREATE INDEX claim_customer_idx ON crm.claim (customer_id, id);
CREATE INDEX claim_status_idx ON crm.claim (status, id);
CREATE INDEX claim_order_idx ON crm.claim (order_id);
CREATE INDEX claim_manager_idx ON crm.claim (manager, id);
GRANT SELECT, INSERT, UPDATE ON crm.claim TO crm_app;

CREATE TABLE crm.claim_document (
    id          uuid        PRIMARY KEY,
    claim_id    uuid        NOT NULL CONSTRAINT claim_document_claim_id_fkey REFERENCES crm.claim (id),
    customer_id uuid        NOT NULL CONSTRAINT claim_document_customer_id_fkey REFERENCES crm.customer (id),
    name        text        NOT NULL,
    media_type  text        NOT NULL,
    sha256      bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    content     bytea       NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX claim_document_claim_idx ON crm.claim_document (claim_id);
CREATE INDEX claim_document_customer_idx ON crm.claim_document (customer_id);
GRANT SELECT, INSERT ON crm.claim_document TO crm_app;

-- Whoever a claim was routed to reaches it, beside the customer's zone.
SELECT crm.protect_by_customer('crm.claim', $$'claim'$$,
    $$ARRAY['claim:manager=' || manager, 'claim:unit=' || unit]$$);
SELECT crm.protect('crm.claim_document', seen, set, set)
FROM (VALUES ('EXISTS (SELECT FROM crm.claim k WHERE k.id = claim_id)',
    $$(SELECT crm.granted('changes') @> '{claim:*}') OR EXISTS (
        SELECT FROM crm.claim k JOIN crm.customer p ON p.id = k.customer_id
        WHERE k.id = claim_id
          AND (crm.labels('claim', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)
               || ARRAY['claim:manager=' || k.manager, 'claim:unit=' || k.unit]) && (SELECT crm.granted('changes')))$$))
    AS rule (seen, set);

INSERT INTO crm.claim_kind (code, active, title, about, topic, documents)
SELECT k.code, true, k.title::jsonb, k.about, 'complaints', k.documents::jsonb
FROM (VALUES
    ('quality', 'quality', '{"ru": "Качество товара", "en": "Quality of goods", "kk": "Тауар сапасы"}',
     '[{"code": "act", "required": true, "title": {"ru": "Акт о несоответствии качества", "en": "Report of non-conformity",
        "kk": "Сапаның сәйкессіздігі туралы акт"}},
       {"code": "quality-passport", "required": true, "title": {"ru": "Паспорт качества", "en": "Quality certificate",
        "kk": "Сапа паспорты"}},
       {"code": "photo", "required": false, "title": {"ru": "Фотографии", "en": "Photographs", "kk": "Фотосуреттер"}}]'),
    ('quantity', 'quantity', '{"ru": "Количество товара", "en": "Quantity of goods", "kk": "Тауар саны"}',
     '[{"code": "act", "required": true, "title": {"ru": "Акт о расхождении по количеству", "en": "Report of shortage",
        "kk": "Саны бойынша айырмашылық актісі"}},
       {"code": "waybill", "required": true, "title": {"ru": "Товарная накладная", "en": "Waybill", "kk": "Жүкқұжат"}}]'),
    ('delivery', 'delivery', '{"ru": "Сервис доставки", "en": "Delivery service", "kk": "Жеткізу қызметі"}',
     '[{"code": "waybill", "required": true, "title": {"ru": "Транспортная накладная", "en": "Consignment note",
        "kk": "Көлік жүкқұжаты"}}]')
) AS k (code, about, title, documents);
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'claim-kinds', k.code, k.version, k.changed_at, k.changed_by, to_jsonb(k) - '{version,changed_at,changed_by}'::text[]
FROM crm.claim_kind k;

-- A card that was merged meanwhile leads to the one it became (0091).
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.claim FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.claim_document FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
