-- The sweep of the release before read by it.
DROP INDEX crm.contract_ending_idx;
