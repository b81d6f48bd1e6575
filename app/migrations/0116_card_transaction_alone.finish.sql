-- A single card transaction, once 0079 has made the tables what they are to be: two rows, without arrays on the way and
-- without a look at which of them were new. One that is there already breaks card_transaction_pkey by itself.
CREATE OR REPLACE FUNCTION crm.take_card_transaction(
    processing_id text, card_token text, station text, product text, quantity numeric, amount numeric,
    currency text, moment timestamptz, received_at timestamptz
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH register AS (
        INSERT INTO crm.card_transaction (processing_id, card_token, occurred_at)
        VALUES (take_card_transaction.processing_id, take_card_transaction.card_token, moment)
    )
    INSERT INTO crm.card_transaction_detail
        (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
    VALUES (take_card_transaction.processing_id, take_card_transaction.card_token, take_card_transaction.station,
            take_card_transaction.product, take_card_transaction.quantity, take_card_transaction.amount,
            take_card_transaction.currency, moment, take_card_transaction.received_at);
END $$;
