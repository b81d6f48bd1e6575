-- The end of what 0129 began, once no host serves the release before it.

DROP VIEW IF EXISTS crm.topic;

-- What the overdue worker looks at: the pauses not yet reported, those without a deadline too.
DROP INDEX CONCURRENTLY IF EXISTS crm.request_waiting_due_idx;

CREATE INDEX CONCURRENTLY request_waiting_due_idx ON crm.request (waiting_due)
    WHERE status = 'waiting' AND waiting_overdue_at IS NULL;

-- Topics that nobody edited: a day and a night of the integrated systems, five working days of an office.
WITH kept AS (
    UPDATE crm.request_topic t
    SET waiting_minutes = CASE t.calendar WHEN 'always' THEN 1440 ELSE 2700 END,
        version = t.version + 1, changed_at = now()
    WHERE t.changed_by = 'migration' AND t.waiting_minutes IS NULL
    RETURNING t.*
)
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'topics', k.code, k.version, k.changed_at, k.changed_by, to_jsonb(k) - '{version,changed_at,changed_by}'::text[]
FROM kept k;

-- A pause that the release before began may have the deadline of one before it. The worker sets them all anew.
UPDATE crm.request SET waiting_due = NULL
WHERE status = 'waiting' AND waiting_due IS NOT NULL AND waiting_overdue_at IS NULL;

CREATE OR REPLACE FUNCTION crm.waiting_is_told() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
