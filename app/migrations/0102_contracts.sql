-- Contracts (S3), the products that they allow (S4), and the directory of products.

CREATE TABLE crm.contract (
    id            uuid        PRIMARY KEY,
    customer_id   uuid        NOT NULL CONSTRAINT contract_customer_id_fkey REFERENCES crm.customer (id),
    version       integer     NOT NULL,
    created_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    number        text        NOT NULL CONSTRAINT contract_number_key UNIQUE,
    status        text        NOT NULL CHECK (status IN ('active', 'terminated')),
    deal_id       uuid        CONSTRAINT contract_deal_id_fkey REFERENCES crm.deal (id),
    unit          text        NOT NULL CONSTRAINT contract_unit_fkey REFERENCES crm.unit (code),
    signed_on     date        NOT NULL,
    valid_from    date        NOT NULL,
    valid_until   date,       -- null: without end
    prolongation  jsonb,      -- null: by agreement only
    payment       text        NOT NULL CHECK (payment IN ('prepaid', 'deferred')),
    deferral_days integer     NOT NULL CHECK (deferral_days >= 0),
    credit_limit  numeric(14, 2) CHECK (credit_limit >= 0),
    currency      text        NOT NULL,
    comment       text
);
CREATE INDEX contract_customer_idx ON crm.contract (customer_id, id);
CREATE INDEX contract_unit_idx ON crm.contract (unit, id);
CREATE INDEX contract_ending_idx ON crm.contract (valid_until)
    WHERE status = 'active' AND (prolongation ->> 'automatic')::boolean;
GRANT SELECT, INSERT, UPDATE ON crm.contract TO crm_app;

-- Who serves the customer's newest contract in force: requests are routed by it, whoever registers them and
-- whatever of contracts they may see. Nothing else of a contract is told.
CREATE FUNCTION crm.contract_unit(customer uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.unit FROM crm.contract k, (SELECT (now() AT TIME ZONE 'UTC')::date) AS today (day)
    WHERE k.customer_id = contract_unit.customer AND k.status = 'active' AND k.valid_from <= today.day
      AND coalesce(k.valid_until >= today.day, true)
    ORDER BY k.id DESC LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION crm.contract_unit(uuid) FROM public;
GRANT EXECUTE ON FUNCTION crm.contract_unit(uuid) TO crm_app;

CREATE TABLE crm.catalogue_product (
    code       text        PRIMARY KEY,
    active     boolean     NOT NULL,
    version    integer     NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT 'migration',
    title      jsonb       NOT NULL,
    kind       text        NOT NULL,
    plant      text        NOT NULL,
    line       text        NOT NULL,
    standards  text[]      NOT NULL,
    viscosity  text,
    packaging  text        NOT NULL CHECK (packaging IN ('packed', 'bulk')),
    container  text        NOT NULL,
    measure    text        NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON crm.catalogue_product TO crm_app;

CREATE TABLE crm.contract_product (
    contract_id uuid           NOT NULL CONSTRAINT contract_product_contract_id_fkey REFERENCES crm.contract (id),
    product     text           NOT NULL CONSTRAINT contract_product_product_fkey REFERENCES crm.catalogue_product (code),
    price       numeric(14, 2) NOT NULL CHECK (price >= 0),
    max_quantity numeric(14, 3) CHECK (max_quantity > 0),  -- of one order; null: any
    PRIMARY KEY (contract_id, product)
);
CREATE INDEX contract_product_product_idx ON crm.contract_product (product);
GRANT SELECT, INSERT, DELETE ON crm.contract_product TO crm_app;

SELECT crm.protect_by_customer('crm.contract', $$'contract'$$);
-- What a contract allows is reached with the contract, and set by whoever may change it.
SELECT crm.protect('crm.contract_product', seen, set, set)
FROM (VALUES ('EXISTS (SELECT FROM crm.contract k WHERE k.id = contract_id)',
    $$(SELECT (crm.granted('changes') || crm.granted('creates')) @> '{contract:*}') OR EXISTS (
        SELECT FROM crm.contract k JOIN crm.customer p ON p.id = k.customer_id
        WHERE k.id = contract_id
          AND crm.labels('contract', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)
              && (SELECT crm.granted('changes')))$$)) AS rule (seen, set);

-- A card that was merged meanwhile leads to the one it became (0091).
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.contract FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
