-- The processing system's feed. Its own id is the key: the same transaction enters once, however often it
-- is sent. A card is known by its token; numbers do not come here.

CREATE TABLE crm.card_transaction (
    processing_id text           PRIMARY KEY CHECK (length(processing_id) <= 200),
    card_token    text           NOT NULL,
    station       text           NOT NULL,
    product       text           NOT NULL,
    quantity      numeric(12, 3) NOT NULL,
    amount        numeric(14, 2) NOT NULL,
    currency      char(3)        NOT NULL,
    occurred_at   timestamptz    NOT NULL,
    received_at   timestamptz    NOT NULL
);
CREATE INDEX card_transaction_card_idx ON crm.card_transaction (card_token, occurred_at);
GRANT SELECT, INSERT ON crm.card_transaction TO crm_app;
