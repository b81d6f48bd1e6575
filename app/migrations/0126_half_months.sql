-- The most frequent requests of each half month, kept as they were when it had ended (R11): nothing changes them later.

CREATE TABLE crm.half_month (
    first_day date        PRIMARY KEY CHECK (extract(day FROM first_day) IN (1, 16)),
    last_day  date        NOT NULL CHECK (last_day > first_day),
    made_at   timestamptz NOT NULL
);
GRANT SELECT, INSERT ON crm.half_month TO crm_app;

-- `labels`: who reaches the requests that are counted, but for single persons and customers (crm.request_labels).
CREATE TABLE crm.half_month_topic (
    first_day date    NOT NULL REFERENCES crm.half_month (first_day),
    topic     text    NOT NULL,
    labels    text[]  NOT NULL,
    requests  integer NOT NULL CHECK (requests > 0),
    PRIMARY KEY (first_day, topic, labels)
);
GRANT SELECT, INSERT ON crm.half_month_topic TO crm_app;

SELECT crm.protect('crm.half_month', crm.reached('reads', 'report', 'NULL::text[]'), made, 'false'),
       crm.protect('crm.half_month_topic', crm.reached('reads', 'request', 'labels'), made, 'false')
FROM (VALUES (crm.reached('creates', 'report', 'NULL::text[]'))) AS rule (made);

-- A notification is about a request or about a half month. The release before this one shows the first kind alone.
ALTER TABLE crm.notification
    ALTER COLUMN request_id DROP NOT NULL,
    ADD COLUMN half_month date,
    ADD CONSTRAINT notification_half_month_fkey FOREIGN KEY (half_month) REFERENCES crm.half_month (first_day) NOT VALID,
    ADD CONSTRAINT notification_about_one CHECK (num_nonnulls(request_id, half_month) = 1) NOT VALID;
