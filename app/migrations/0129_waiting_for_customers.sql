-- How long a customer who was asked may be silent (R6, docs/crm-requests.md): a norm of the topic, and the deadline of
-- each pause.

-- The release before reads whole rows of crm.topic, and refuses one with a column that it does not know. So the table
-- gets the name under which this release knows it; under the old one there is a view without the column, until 0130.
ALTER TABLE crm.topic RENAME TO request_topic;
ALTER TABLE crm.request_topic ADD COLUMN waiting_minutes integer;  -- null: the default (app/topics/schemas.py)
CREATE VIEW crm.topic AS
    SELECT code, active, version, changed_at, changed_by, title, queue, line, priority, sla, calendar, importance, skill,
           scenario, templates
    FROM crm.request_topic;
GRANT SELECT, INSERT, UPDATE ON crm.topic TO crm_app;

ALTER TABLE crm.request
    ADD COLUMN waiting_due        timestamptz,  -- of the present pause; null in one that the release before began
    ADD COLUMN waiting_overdue_at timestamptz;  -- when the worker saw it, once a pause

-- Whether a customer's silence is told of: the release before knows no such notification, and would show none to whoever
-- has one. Put in the caller's place by the planner. Migration 0130 says yes.
CREATE FUNCTION crm.waiting_is_told() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT false';
GRANT EXECUTE ON FUNCTION crm.waiting_is_told() TO crm_app;
