-- What follows a request, and its files in the order of their pages: by request, then by id.

DROP INDEX CONCURRENTLY IF EXISTS crm.request_follows_idx;

CREATE INDEX CONCURRENTLY request_follows_idx ON crm.request (follows, id) WHERE follows IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS crm.attachment_request_idx;

CREATE INDEX CONCURRENTLY attachment_request_idx ON crm.attachment (request_id, id);
