-- Who may sign in, and the keys that sign their tokens. Both sites read the same rows, so a token made on
-- one is good on the other, and after a switch. Private parts are encrypted with CRM_ACCESS_SECRET.

CREATE TABLE crm.account (
    id             text        PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._@-]{1,99}$'),
    kind           text        NOT NULL CHECK (kind IN ('person', 'service')),
    title          text        NOT NULL,
    roles          text[]      NOT NULL,
    units          text[]      NOT NULL DEFAULT '{}',
    regions        text[]      NOT NULL DEFAULT '{}',
    partner        text,
    customer       uuid        CONSTRAINT account_customer_fkey REFERENCES crm.customer (id),
    password_hash  text,       -- argon2id
    totp_sealed    bytea,      -- set: the second factor is asked for
    totp_step      bigint,     -- the last one used; each is good once
    key_hash       bytea UNIQUE,  -- SHA-256 of a service's key, which has 256 random bits
    failures       integer     NOT NULL DEFAULT 0,
    locked_until   timestamptz,
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_proof CHECK ((kind = 'service') = (password_hash IS NULL))
);
GRANT SELECT, INSERT, UPDATE ON crm.account TO crm_app;

-- The audit role may read these rows like all others: what is secret in them is sealed.
CREATE TABLE crm.signing_key (
    kid            text        PRIMARY KEY,
    public_key     bytea       NOT NULL,  -- Ed25519, raw
    private_sealed bytea       NOT NULL,
    signs_from     timestamptz NOT NULL,  -- a while after its making, so that every process knows it by then
    verifies_until timestamptz
);
GRANT SELECT, INSERT, UPDATE ON crm.signing_key TO crm_app;

SELECT crm.protect_by_labels('crm.account', 'account', 'NULL::text[]'),
       crm.protect_by_labels('crm.signing_key', 'account', 'NULL::text[]');
