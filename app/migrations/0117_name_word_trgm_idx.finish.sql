-- The search of the release before 0090 read by it.
DROP INDEX crm.name_word_trgm_idx;
