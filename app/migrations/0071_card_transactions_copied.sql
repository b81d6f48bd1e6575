-- Transactions received before 0070. It reads one table and adds to another: no reader and no writer waits for it.
-- What the trigger of 0070 has carried over since is there already.
INSERT INTO crm.card_transaction_detail
    (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
SELECT t.processing_id, t.card_token, t.station, t.product, t.quantity, t.amount, t.currency, t.occurred_at,
       t.received_at
FROM crm.card_transaction t
WHERE NOT EXISTS (
    SELECT FROM crm.card_transaction_detail d
    WHERE d.card_token = t.card_token AND d.occurred_at = t.occurred_at AND d.processing_id = t.processing_id);
