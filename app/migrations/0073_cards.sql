-- Fuel cards (K1; docs/decisions/0121-card-numbers.md). The number itself is nowhere: sealed for the day when keys change,
-- hashed under a key for being found, its first six and last four digits for people, a token for all other systems.
-- The keys are outside of the database.

CREATE TABLE crm.card (
    id             uuid        PRIMARY KEY,
    token          text        NOT NULL CONSTRAINT card_token_key UNIQUE,
    bin            text        NOT NULL CHECK (bin ~ '^[0-9]{6}$'),
    last_four      text        NOT NULL CHECK (last_four ~ '^[0-9]{4}$'),
    number_sealed  bytea       NOT NULL,  -- AES-256-GCM under key_version; bound to the card's id
    key_version    smallint    NOT NULL,
    customer_id    uuid        NOT NULL CONSTRAINT card_customer_id_fkey REFERENCES crm.customer (id),
    contract       text,
    status         text        NOT NULL CHECK (status IN ('active', 'blocked', 'replaced')),
    replaces       uuid        CONSTRAINT card_replaces_key UNIQUE CONSTRAINT card_replaces_fkey REFERENCES crm.card (id),
    daily_quantity   numeric(12, 3),  -- null: no limit; sums and volumes of a day and a month
    monthly_quantity numeric(12, 3),
    daily_amount     numeric(14, 2),
    monthly_amount   numeric(14, 2),
    products       text[]      NOT NULL,  -- empty: any
    stations       text[]      NOT NULL,
    version        integer     NOT NULL,
    created_at     timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL
);
CREATE INDEX card_customer_idx ON crm.card (customer_id, id);
CREATE INDEX card_key_version_idx ON crm.card (key_version, id);
GRANT SELECT, INSERT, UPDATE ON crm.card TO crm_app;

-- One row for each valid version of the key: the same number is refused whichever version a host writes with.
CREATE TABLE crm.card_lookup (
    hash        bytea    CONSTRAINT card_lookup_pkey PRIMARY KEY CHECK (octet_length(hash) = 32),  -- HMAC-SHA-256
    key_version smallint NOT NULL,
    card_id     uuid     NOT NULL REFERENCES crm.card (id),
    CONSTRAINT card_lookup_version_key UNIQUE (card_id, key_version)
);
GRANT SELECT, INSERT, DELETE ON crm.card_lookup TO crm_app;

CREATE TABLE crm.card_event (
    card_id uuid        NOT NULL REFERENCES crm.card (id),
    version integer     NOT NULL,
    kind    text        NOT NULL CHECK (kind IN ('issued', 'blocked', 'unblocked', 'limited', 'replaced')),
    at      timestamptz NOT NULL,
    actor   text        NOT NULL,
    reason  text,
    PRIMARY KEY (card_id, version)
);
GRANT SELECT, INSERT ON crm.card_event TO crm_app;

-- A card is reached with its owner.
SELECT crm.protect_by_parent('crm.card', 'customer_id', 'crm.customer', 'card',
    $$crm.labels('card', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)$$);
SELECT crm.protect(child, 'EXISTS (SELECT FROM crm.card c WHERE c.id = card_id)', write, write)
FROM unnest('{crm.card_lookup,crm.card_event}'::regclass[]) AS child,
     (VALUES ($$(SELECT 'card:*' = ANY (crm.granted('creates') || crm.granted('changes'))) OR EXISTS (
        SELECT FROM crm.card c JOIN crm.customer p ON p.id = c.customer_id
        WHERE c.id = card_id
          AND crm.labels('card', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)
              && ((SELECT crm.granted('creates')) || (SELECT crm.granted('changes'))))$$)) AS rule (write);

-- Who sees a card sees what was bought with it.
DROP POLICY app_read ON crm.card_transaction_detail;
CREATE POLICY app_read ON crm.card_transaction_detail FOR SELECT TO crm_app USING (
    (SELECT 'card_transaction:*' = ANY (crm.granted('reads')))
    OR EXISTS (SELECT FROM crm.card c WHERE c.token = card_token));
