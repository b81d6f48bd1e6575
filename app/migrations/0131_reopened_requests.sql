-- A customer's message opens a closed request again; where that was closed too long ago, another goes on for it (R1, R5).
-- The release before serves on. It cannot show the history of a request that was reopened meanwhile, and all else.

ALTER TABLE crm.request
    ADD COLUMN reopened_at timestamptz,  -- the last time: from then its clock runs
    ADD COLUMN follows     uuid,
    ADD CONSTRAINT request_follows_fkey FOREIGN KEY (follows) REFERENCES crm.request (id) NOT VALID;
ALTER TABLE crm.request_event DROP CONSTRAINT request_event_kind_check, ADD CONSTRAINT request_event_kind_check
    CHECK (kind IN ('registered', 'taken', 'closed', 'assigned', 'escalated', 'handed_over', 'returned',
                    'external', 'waiting', 'resumed', 'message', 'attached', 'rated', 'reopened')) NOT VALID;
