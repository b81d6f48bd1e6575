-- The end of what 0070 began, once no host serves the release before it: crm.card_transaction keeps the id of each
-- transaction and the way to its detail, and nothing twice. Dropping columns touches no row.
DROP TRIGGER carry_card_transactions ON crm.card_transaction;
DROP FUNCTION crm.carry_card_transactions();
DROP INDEX crm.card_transaction_card_idx;
ALTER TABLE crm.card_transaction
    DROP COLUMN station, DROP COLUMN product, DROP COLUMN quantity, DROP COLUMN amount, DROP COLUMN currency,
    DROP COLUMN received_at;

CREATE OR REPLACE FUNCTION crm.store_card_transactions(
    processing_ids text[], card_tokens text[], stations text[], products text[], quantities numeric[],
    amounts numeric[], currencies text[], moments timestamptz[], received_at timestamptz
) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    WITH given AS (
        SELECT * FROM unnest(processing_ids, card_tokens, stations, products, quantities, amounts, currencies, moments)
            AS t (processing_id, card_token, station, product, quantity, amount, currency, occurred_at)
    ), fresh AS (
        INSERT INTO crm.card_transaction AS k (processing_id, card_token, occurred_at)
        SELECT g.processing_id, g.card_token, g.occurred_at FROM given g
        ON CONFLICT ON CONSTRAINT card_transaction_pkey DO NOTHING
        RETURNING k.processing_id
    )
    INSERT INTO crm.card_transaction_detail AS d
        (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
    SELECT g.processing_id, g.card_token, g.station, g.product, g.quantity, g.amount, g.currency, g.occurred_at,
           store_card_transactions.received_at
    FROM given g JOIN fresh f ON f.processing_id = g.processing_id
    RETURNING d.processing_id;
END $$;
