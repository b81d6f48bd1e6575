-- By what stands on a card or on its contacts, a customer is found there (0121), not by a copy of it in another table.

DROP INDEX CONCURRENTLY IF EXISTS crm.contact_value_idx;

CREATE INDEX CONCURRENTLY contact_value_idx ON crm.contact (value);

DROP INDEX CONCURRENTLY IF EXISTS crm.customer_external_id_idx;

CREATE INDEX CONCURRENTLY customer_external_id_idx ON crm.customer (external_id) WHERE external_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS crm.customer_snils_idx;

CREATE INDEX CONCURRENTLY customer_snils_idx ON crm.customer (snils) WHERE snils IS NOT NULL;
