-- Orders (S5), seen by their customer's zone and by the carrier that is to bring them (S7).

CREATE SEQUENCE crm.order_number;
GRANT USAGE ON SEQUENCE crm.order_number TO crm_app;

CREATE TABLE crm.sales_order (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL CONSTRAINT sales_order_customer_id_fkey REFERENCES crm.customer (id),
    version     integer     NOT NULL,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    number      text        NOT NULL CONSTRAINT sales_order_number_key UNIQUE,
    status      text        NOT NULL CHECK (status IN ('draft', 'submitted', 'confirmed', 'refused', 'shipped', 'completed',
                                                       'cancelled')),
    archived    boolean     NOT NULL,
    contract_id uuid        CONSTRAINT sales_order_contract_id_fkey REFERENCES crm.contract (id),
    requisites  jsonb       NOT NULL,
    items       jsonb       NOT NULL,
    vehicle     jsonb,
    carrier     text,       -- the partner that brings or fetches it
    discount    jsonb,
    amount      numeric(16, 2),  -- by the contract's prices, when it was submitted; less the discount granted
    currency    text,
    repeats     uuid        CONSTRAINT sales_order_repeats_fkey REFERENCES crm.sales_order (id),
    comment     text
);
CREATE INDEX sales_order_customer_idx ON crm.sales_order (customer_id, id);
CREATE INDEX sales_order_status_idx ON crm.sales_order (status, id) WHERE NOT archived;
CREATE INDEX sales_order_contract_idx ON crm.sales_order (contract_id, id);
CREATE INDEX sales_order_carrier_idx ON crm.sales_order (carrier, id) WHERE carrier IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON crm.sales_order TO crm_app;

-- A carrier sees an order from its submission on, and may say which vehicle comes for it.
SELECT crm.protect_by_customer('crm.sales_order', $$'order'$$,
    $$CASE WHEN status <> 'draft' THEN ARRAY['order:carrier=' || carrier, 'shipment:carrier=' || carrier] END$$);

-- A card that was merged meanwhile leads to the one it became (0091).
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.sales_order FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
