-- Overdue requests, bookings without double booking, calls.

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

-- UUIDv7 as app/identity.py makes them, for rows that statements make by the set.
CREATE FUNCTION crm.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- The head who answers for a unit: its own, or the nearest above.
CREATE FUNCTION crm.head_of(unit text) RETURNS text LANGUAGE sql STABLE AS $$
    WITH RECURSIVE above AS (
        SELECT u.code, u.parent, u.head, 0 AS steps FROM crm.unit u WHERE u.code = head_of.unit
        UNION ALL
        SELECT u.code, u.parent, u.head, a.steps + 1
        FROM crm.unit u JOIN above a ON u.code = a.parent WHERE a.head IS NULL AND a.steps < 20
    ) SELECT a.head FROM above a WHERE a.head IS NOT NULL ORDER BY a.steps LIMIT 1
$$;
GRANT EXECUTE ON FUNCTION crm.new_id(), crm.head_of(text) TO crm_app;

CREATE TABLE crm.availability (
    id           uuid        PRIMARY KEY,
    person       text        NOT NULL REFERENCES crm.person (code),
    kind         text        NOT NULL CHECK (kind IN ('callback', 'interview')),
    during       tstzrange   NOT NULL CHECK (NOT isempty(during)),
    slot_minutes smallint    NOT NULL CHECK (slot_minutes BETWEEN 5 AND 480),
    CONSTRAINT availability_once EXCLUDE USING gist (person WITH =, during WITH &&)
);
GRANT SELECT, INSERT ON crm.availability TO crm_app;

CREATE TABLE crm.booking (
    id          uuid        PRIMARY KEY,
    person      text        NOT NULL REFERENCES crm.person (code),
    kind        text        NOT NULL CHECK (kind IN ('callback', 'interview')),
    during      tstzrange   NOT NULL,
    contact     text        NOT NULL,
    request_id  uuid        CONSTRAINT booking_request_id_fkey REFERENCES crm.request (id),
    cancelled   boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    -- Whatever two operators do at once on two sites, one person is in one place at a time.
    CONSTRAINT booking_once EXCLUDE USING gist (person WITH =, during WITH &&) WHERE (NOT cancelled)
);
GRANT SELECT, INSERT, UPDATE ON crm.booking TO crm_app;

CREATE TABLE crm.call (
    id                    uuid        PRIMARY KEY,
    direction             text        NOT NULL CHECK (direction IN ('in', 'out')),
    phone                 text        NOT NULL,
    operator              text,
    customer_id           uuid        CONSTRAINT call_customer_id_fkey REFERENCES crm.customer (id),
    request_id            uuid        CONSTRAINT call_request_id_fkey REFERENCES crm.request (id),
    started_at            timestamptz NOT NULL,
    answered_at           timestamptz,
    ended_at              timestamptz,
    recording             text,
    personal_data_changed boolean     NOT NULL,
    keep_until            timestamptz,  -- null: for ever
    external_id           text        NOT NULL CONSTRAINT call_external_id_key UNIQUE,
    CONSTRAINT call_in_order CHECK (started_at <= answered_at AND coalesce(answered_at, started_at) <= ended_at),
    CONSTRAINT call_kept_for_ever CHECK (NOT personal_data_changed OR keep_until IS NULL)
);
CREATE INDEX call_request_idx ON crm.call (request_id) WHERE request_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON crm.call TO crm_app;
