-- Mail in both directions (docs/crm-integration.md), and requests found by what others call them.

-- A reply quotes the request's reference, which is made of the last 60 bits of its id (app/requests/reference.py).
CREATE INDEX request_reference_idx ON crm.request (right(replace(id::text, '-', ''), 15));
CREATE INDEX request_external_idx ON crm.request (external_system, external_reference, id)
    WHERE external_reference IS NOT NULL;

-- Letters to customers leave like every other event: in order for each request, retried, never lost.
INSERT INTO crm.subscription (id, target, url, title, types, matching, active, changed_at)
VALUES ('00000000-0000-7000-8000-00000000e3a1', 'mail', 'mail:', 'Letters to customers', '{message.sent}',
        '{"channel": "email"}', true, now());
