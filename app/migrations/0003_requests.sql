-- Requests of customers and everything that happened to them. Event n of a request made its version n.

CREATE TABLE crm.request (
    id          uuid        PRIMARY KEY,
    customer_id uuid        CONSTRAINT request_customer_fkey REFERENCES crm.customer (id),
    channel     text        NOT NULL,
    topic       text        NOT NULL,
    subject     text        NOT NULL,
    body        text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('new', 'in_progress', 'closed')),
    assignee    text,
    resolution  text,
    external_id text        CHECK (length(external_id) <= 200),
    version     integer     NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    taken_at    timestamptz,
    closed_at   timestamptz
) WITH (fillfactor = 85);
CREATE INDEX request_status_idx ON crm.request (status, id);
CREATE INDEX request_customer_idx ON crm.request (customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX request_assignee_idx ON crm.request (assignee, id) WHERE assignee IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON crm.request TO crm_app;

CREATE TABLE crm.request_event (
    request_id uuid        NOT NULL REFERENCES crm.request (id),
    version    integer     NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('registered', 'taken', 'closed')),
    at         timestamptz NOT NULL,
    actor      text        NOT NULL,
    note       text        CHECK (length(note) <= 200),
    PRIMARY KEY (request_id, version)
);
GRANT SELECT, INSERT ON crm.request_event TO crm_app;
