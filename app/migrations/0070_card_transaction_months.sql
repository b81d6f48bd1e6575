-- Card transactions by month (docs/decisions/0120-card-transactions-by-month.md). What is known of a transaction goes
-- into the partition of the month in which it occurred. crm.card_transaction, whose primary key has kept each
-- id once from the first release on, goes on doing so, and is to become a register of ids and nothing else.
--
-- The release before serves on meanwhile: it writes and reads whole rows of crm.card_transaction. So whole rows
-- are still written there, by this release too, and a trigger carries them on; 0079 ends that.

CREATE TABLE crm.card_transaction_detail (
    processing_id text           NOT NULL,
    card_token    text           NOT NULL,
    station       text           NOT NULL,
    product       text           NOT NULL,
    quantity      numeric(12, 3) NOT NULL,
    amount        numeric(14, 2) NOT NULL,
    currency      char(3)        NOT NULL,
    occurred_at   timestamptz    NOT NULL,
    received_at   timestamptz    NOT NULL,
    -- What came in behind a reader's back is told by the transaction that wrote it: ids of transactions below
    -- pg_snapshot_xmin() are all decided, which no clock can say. They go on after a failover.
    received_by   xid8           NOT NULL DEFAULT pg_current_xact_id()
) PARTITION BY RANGE (occurred_at);
-- Also the way from the register to the detail, which spares a second index over the ids.
CREATE INDEX card_transaction_detail_card_idx ON crm.card_transaction_detail (card_token, occurred_at, processing_id);
CREATE INDEX card_transaction_detail_received_idx ON crm.card_transaction_detail (received_by);
-- Months that nobody made ahead of time, and dates that are nowhere near today.
CREATE TABLE crm.card_transaction_detail_other PARTITION OF crm.card_transaction_detail DEFAULT;
GRANT SELECT, INSERT ON crm.card_transaction_detail TO crm_app;
SELECT crm.protect_by_labels('crm.card_transaction_detail', 'card_transaction', 'NULL::text[]');

-- Makes the partition of a month (UTC) unless it is there; true if it was made. Attaching an existing table locks
-- neither readers nor writers of the other months out, as CREATE TABLE … PARTITION OF would. The rows that went
-- into the default partition for want of this one move over in the same transaction.
-- The API's role may call it, as a worker makes the months ahead; it owns nothing, so the function acts as its owner.
CREATE FUNCTION crm.ensure_card_transaction_month(any_day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first date := date_trunc('month', any_day);
    since timestamptz := first::timestamp AT TIME ZONE 'UTC';
    until timestamptz := (first + interval '1 month') AT TIME ZONE 'UTC';
    month text := 'card_transaction_detail_' || to_char(first, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('crm.card_transaction_detail', 0));
    IF to_regclass('crm.' || month) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format($sql$
        CREATE TABLE crm.%1$I (LIKE crm.card_transaction_detail INCLUDING ALL,
                               CONSTRAINT within CHECK (occurred_at >= %2$L AND occurred_at < %3$L));
        LOCK TABLE crm.card_transaction_detail_other IN ACCESS EXCLUSIVE MODE;
        WITH moved AS (
            DELETE FROM crm.card_transaction_detail_other WHERE occurred_at >= %2$L AND occurred_at < %3$L
            RETURNING *
        ) INSERT INTO crm.%1$I SELECT * FROM moved;
        ALTER TABLE crm.card_transaction_detail ATTACH PARTITION crm.%1$I FOR VALUES FROM (%2$L) TO (%3$L);
        ALTER TABLE crm.%1$I DROP CONSTRAINT within;
    $sql$, month, since, until);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION crm.ensure_card_transaction_month(date) TO crm_app;

SELECT crm.ensure_card_transaction_month((now() AT TIME ZONE 'UTC' + make_interval(months => n))::date)
FROM generate_series(-1, 3) AS n;

-- Each id once; returns those that were new. 0079 replaces its body.
CREATE FUNCTION crm.store_card_transactions(
    processing_ids text[], card_tokens text[], stations text[], products text[], quantities numeric[],
    amounts numeric[], currencies text[], moments timestamptz[], received_at timestamptz
) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    INSERT INTO crm.card_transaction AS k
        (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
    SELECT t.*, store_card_transactions.received_at
    FROM unnest(processing_ids, card_tokens, stations, products, quantities, amounts, currencies, moments) AS t
    ON CONFLICT ON CONSTRAINT card_transaction_pkey DO NOTHING
    RETURNING k.processing_id;
END $$;

-- What the API calls. The lock comes first, so that whoever waited for a migration to end goes on with the body of
-- store_card_transactions that fits the tables as they are then.
CREATE FUNCTION crm.take_card_transactions(
    processing_ids text[], card_tokens text[], stations text[], products text[], quantities numeric[],
    amounts numeric[], currencies text[], moments timestamptz[], received_at timestamptz
) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE crm.card_transaction IN ROW EXCLUSIVE MODE;
    RETURN QUERY SELECT crm.store_card_transactions(
        processing_ids, card_tokens, stations, products, quantities, amounts, currencies, moments, received_at);
END $$;

-- A single one: its being there already is an error, so that a new one needs no answer and no round trip of its own.
CREATE FUNCTION crm.take_card_transaction(
    processing_id text, card_token text, station text, product text, quantity numeric, amount numeric,
    currency text, moment timestamptz, received_at timestamptz
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE crm.card_transaction IN ROW EXCLUSIVE MODE;
    PERFORM crm.store_card_transactions(
        ARRAY[processing_id], ARRAY[card_token], ARRAY[station], ARRAY[product], ARRAY[quantity], ARRAY[amount],
        ARRAY[currency], ARRAY[moment], received_at);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'card transaction % was received before', processing_id
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'card_transaction_pkey';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION
    crm.store_card_transactions(text[], text[], text[], text[], numeric[], numeric[], text[], timestamptz[], timestamptz),
    crm.take_card_transactions(text[], text[], text[], text[], numeric[], numeric[], text[], timestamptz[], timestamptz),
    crm.take_card_transaction(text, text, text, text, numeric, numeric, text, timestamptz, timestamptz)
    TO crm_app;

-- Last, as its lock stops the feed until this transaction ends. Whatever is written from here on is carried over;
-- what was written before, 0071 copies.
CREATE FUNCTION crm.carry_card_transactions() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.card_transaction_detail
        (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
    SELECT t.processing_id, t.card_token, t.station, t.product, t.quantity, t.amount, t.currency, t.occurred_at,
           t.received_at
    FROM fresh t;
    RETURN NULL;
END $$;
CREATE TRIGGER carry_card_transactions AFTER INSERT ON crm.card_transaction
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION crm.carry_card_transactions();
