-- How requests are served: by whom, until when, with which files and messages, and who is told.

CREATE TABLE crm.customer_profile (
    customer_id    uuid PRIMARY KEY CONSTRAINT customer_profile_customer_id_fkey REFERENCES crm.customer (id),
    region         text REFERENCES crm.region (code),
    customer_type  text,
    planned_volume numeric(14, 2),
    vip            boolean     NOT NULL,
    manager        text REFERENCES crm.person (code),
    contract_unit  text REFERENCES crm.unit (code),
    changed_at     timestamptz NOT NULL,
    changed_by     text        NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.customer_profile TO crm_app;

ALTER TABLE crm.request
    ADD COLUMN topic_version      integer,
    ADD COLUMN queue              text,
    ADD COLUMN line               smallint NOT NULL DEFAULT 1,
    ADD COLUMN unit               text,
    ADD COLUMN priority           text     NOT NULL DEFAULT 'normal',
    ADD COLUMN importance         text     NOT NULL DEFAULT 'info',
    ADD COLUMN region             text,
    ADD COLUMN language           text     NOT NULL DEFAULT 'ru',
    ADD COLUMN sender             text,
    ADD COLUMN reaction_due       timestamptz,
    ADD COLUMN solution_due       timestamptz,
    ADD COLUMN waiting_since      timestamptz,
    ADD COLUMN external_system    text,
    ADD COLUMN external_reference text,
    ADD COLUMN rating             smallint,
    ADD COLUMN routing            jsonb,  -- the engine's explanation of the last assignment
    ADD COLUMN reaction_overdue_at timestamptz,  -- when the worker saw it, once
    ADD COLUMN solution_overdue_at timestamptz;
ALTER TABLE crm.request DROP CONSTRAINT request_status_check, ADD CONSTRAINT request_status_check
    CHECK (status IN ('new', 'in_progress', 'waiting', 'handed_over', 'closed')) NOT VALID;
ALTER TABLE crm.request_event DROP CONSTRAINT request_event_kind_check, ADD CONSTRAINT request_event_kind_check
    CHECK (kind IN ('registered', 'taken', 'closed', 'assigned', 'escalated', 'handed_over', 'returned',
                    'external', 'waiting', 'resumed', 'message', 'attached', 'rated')) NOT VALID;
CREATE INDEX request_unit_idx ON crm.request (unit, id);
CREATE INDEX request_open_assignee_idx ON crm.request (assignee) WHERE status <> 'closed';
-- What the overdue worker looks at: only what is open and not yet reported.
CREATE INDEX request_reaction_due_idx ON crm.request (reaction_due)
    WHERE status = 'new' AND taken_at IS NULL AND reaction_overdue_at IS NULL;
CREATE INDEX request_solution_due_idx ON crm.request (solution_due)
    WHERE status IN ('new', 'in_progress', 'handed_over') AND solution_overdue_at IS NULL;

CREATE TABLE crm.request_message (
    id          uuid        PRIMARY KEY,
    request_id  uuid        NOT NULL REFERENCES crm.request (id),
    direction   text        NOT NULL CHECK (direction IN ('in', 'out', 'internal')),
    channel     text        NOT NULL,
    author      text        NOT NULL,
    body        text        NOT NULL,
    external_id text        CHECK (length(external_id) <= 200),
    created_at  timestamptz NOT NULL,
    CONSTRAINT request_message_external_key UNIQUE (channel, external_id)
);
CREATE INDEX request_message_request_idx ON crm.request_message (request_id, id);
GRANT SELECT, INSERT ON crm.request_message TO crm_app;

-- Files live in rows: what survives a site loss for a request survives it for its files.
CREATE TABLE crm.attachment (
    id         uuid        PRIMARY KEY,
    request_id uuid        NOT NULL REFERENCES crm.request (id),
    name       text        NOT NULL,
    media_type text        NOT NULL,
    size       integer     NOT NULL CHECK (size = octet_length(content)),
    sha256     bytea       NOT NULL CHECK (sha256 = sha256(content)),
    actor      text        NOT NULL,
    created_at timestamptz NOT NULL,
    content    bytea       NOT NULL,
    CONSTRAINT attachment_content_key UNIQUE (request_id, sha256)
);
ALTER TABLE crm.attachment ALTER COLUMN content SET STORAGE EXTERNAL;  -- photos do not compress
GRANT SELECT, INSERT ON crm.attachment TO crm_app;

CREATE TABLE crm.notification (
    id         uuid        PRIMARY KEY,
    recipient  text        NOT NULL,
    kind       text        NOT NULL,
    importance text        NOT NULL,
    request_id uuid        NOT NULL REFERENCES crm.request (id),
    created_at timestamptz NOT NULL,
    read_at    timestamptz
);
CREATE INDEX notification_recipient_idx ON crm.notification (recipient, id);
CREATE INDEX notification_unread_idx ON crm.notification (recipient, id) WHERE read_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON crm.notification TO crm_app;
