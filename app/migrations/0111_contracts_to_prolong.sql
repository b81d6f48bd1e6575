-- From which day on a contract goes on by itself. The sweep compared it row by row, for every contract that ever will: an
-- index on the expression would not help, as row-level security lets nothing decide what is read that might tell of it, and
-- neither `->>` nor a cast is leakproof. Dates are. Adding the column writes the table anew.
ALTER TABLE crm.contract ADD COLUMN prolong_from date GENERATED ALWAYS AS (
    CASE WHEN (prolongation ->> 'automatic')::boolean
         THEN valid_until - (prolongation ->> 'notice_days')::integer END) STORED;
CREATE INDEX contract_prolong_from_idx ON crm.contract (prolong_from) WHERE status = 'active';
