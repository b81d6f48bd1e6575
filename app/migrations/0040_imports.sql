-- Bulk loads. What a client sends is kept in blocks of whole lines until it is loaded; a block's rows and the
-- note that it is loaded are one transaction, so that whatever fails, no row is loaded twice or left out.

CREATE TABLE crm.import_job (
    id              uuid        PRIMARY KEY,
    principal       text        NOT NULL,
    key             text        NOT NULL,  -- the same key again goes on where the stream broke off
    format          text        NOT NULL CHECK (format IN ('csv', 'ndjson')),
    header          text,                  -- of a CSV: its first line
    received_blocks integer     NOT NULL DEFAULT 0,
    received_bytes  bigint      NOT NULL DEFAULT 0,
    received_rows   bigint      NOT NULL DEFAULT 0,
    received_at     timestamptz,           -- null while the stream has not ended
    created_at      timestamptz NOT NULL,
    CONSTRAINT import_job_key UNIQUE (principal, key)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON crm.import_job TO crm_app;

-- A row of its own: a loader holds it locked through a batch, while blocks go on being received.
CREATE TABLE crm.import_progress (
    job_id        uuid        PRIMARY KEY REFERENCES crm.import_job (id),
    loaded_blocks integer     NOT NULL DEFAULT 0,
    created       bigint      NOT NULL DEFAULT 0,
    enriched      bigint      NOT NULL DEFAULT 0,
    unchanged     bigint      NOT NULL DEFAULT 0,
    rejected      bigint      NOT NULL DEFAULT 0,
    loaded_at     timestamptz
) WITH (fillfactor = 50);
CREATE INDEX import_progress_open_idx ON crm.import_progress (job_id) WHERE loaded_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON crm.import_progress TO crm_app;

CREATE TABLE crm.import_block (
    job_id    uuid    NOT NULL REFERENCES crm.import_job (id),
    number    integer NOT NULL,
    first_row bigint  NOT NULL,
    sha256    bytea   NOT NULL,  -- proves that a stream sent again is the same
    content   bytea,             -- null once loaded
    PRIMARY KEY (job_id, number)
);
ALTER TABLE crm.import_block ALTER COLUMN content SET STORAGE EXTERNAL;  -- read once: not worth compressing
GRANT SELECT, INSERT, UPDATE ON crm.import_block TO crm_app;

CREATE TABLE crm.import_rejection (
    job_id uuid   NOT NULL REFERENCES crm.import_job (id),
    row    bigint NOT NULL,      -- counted from 1, without the header of a CSV
    line   text   NOT NULL,      -- as it came; what is no UTF-8 is shown escaped
    errors jsonb  NOT NULL,
    PRIMARY KEY (job_id, row)
);
GRANT SELECT, INSERT ON crm.import_rejection TO crm_app;

-- Rows of customer_key are derived from their card by the statement that writes the card; checking each of
-- some seven a customer against it was the dearest part of a load. Cards are never deleted.
ALTER TABLE crm.customer_key DROP CONSTRAINT customer_key_customer_id_fkey;
