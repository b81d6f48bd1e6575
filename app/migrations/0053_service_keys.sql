-- A system's key is changed while it goes on working: the key before is good until the system has the new one.
ALTER TABLE crm.account ADD COLUMN key_hash_before bytea UNIQUE, ADD COLUMN key_before_until timestamptz;
