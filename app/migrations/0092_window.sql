-- What the single window looks up by customer and had no index for.
CREATE INDEX call_customer_idx ON crm.call (customer_id, started_at DESC) WHERE customer_id IS NOT NULL;
CREATE INDEX booking_request_idx ON crm.booking (request_id) WHERE request_id IS NOT NULL;
