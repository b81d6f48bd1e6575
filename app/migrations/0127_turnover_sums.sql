-- Turnover over all cards, from sums that the worker keeps (docs/decisions/0123-turnover-from-sums.md).

-- By Moscow's days, as the processing system's are. What a product is measured in and where a station lies is looked up
-- when somebody asks, as it can change.
CREATE TABLE crm.turnover_sum (
    span         text    NOT NULL CHECK (span IN ('day', 'station-day', 'station-month')),
    first_day    date    NOT NULL,
    station      text    NOT NULL,  -- '' of all, where the span is 'day'
    product      text    NOT NULL,
    currency     text    NOT NULL,
    transactions bigint  NOT NULL,
    quantity     numeric NOT NULL,
    amount       numeric NOT NULL,
    PRIMARY KEY (span, first_day, station, product, currency)
) WITH (fillfactor = 70);
GRANT SELECT, INSERT, UPDATE ON crm.turnover_sum TO crm_app;

-- What transactions (of PostgreSQL) up to this one have brought is in the sums; all of them had ended by then.
CREATE TABLE crm.turnover_progress (received_by xid8 NOT NULL) WITH (fillfactor = 10);
CREATE UNIQUE INDEX turnover_progress_one ON crm.turnover_progress ((true));
INSERT INTO crm.turnover_progress VALUES ('0');
GRANT SELECT, UPDATE ON crm.turnover_progress TO crm_app;

-- Sums over all cards are for who reaches all cards; nobody but the system makes them.
SELECT crm.protect('crm.turnover_sum', crm.reached('reads', 'card', 'NULL::text[]'), made, made),
       crm.protect_by_labels('crm.turnover_progress', 'other', 'NULL::text[]')
FROM (VALUES (crm.reached('creates', 'report', 'NULL::text[]'))) AS rule (made);

-- A purchase counts once its card is there, whichever comes first. Null: the card was there before there were sums.
ALTER TABLE crm.card ADD COLUMN issued_by xid8;
ALTER TABLE crm.card ALTER COLUMN issued_by SET DEFAULT pg_current_xact_id();
CREATE INDEX card_issued_idx ON crm.card (issued_by) WHERE issued_by IS NOT NULL;

-- What was bought in a period, as sums; `unsummed`: only what crm.turnover_sum has not yet. By 'station', 'card' or ''.
-- As the owner: for who reaches all cards the policy of the transactions would look each one's card up a second time.
-- EXECUTE has it planned for the period that is asked for.
CREATE FUNCTION crm.turnover_live(dimension text, since timestamptz, until timestamptz, unsummed boolean)
RETURNS TABLE (day date, key text, product text, currency text, transactions bigint, quantity numeric, amount numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    progress xid8 := (SELECT p.received_by FROM crm.turnover_progress p);
    conditions text[] := CASE WHEN unsummed
        THEN ARRAY['d.received_by > $4', 'c.issued_by > $4 AND d.received_by <= $4'] ELSE ARRAY['true'] END;
    condition text;
BEGIN
    IF ('card:*' = ANY (crm.granted('reads'))) IS NOT TRUE THEN
        RAISE EXCEPTION 'not all cards are yours to sum up' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOREACH condition IN ARRAY conditions LOOP
        RETURN QUERY EXECUTE format($sql$
            SELECT (d.occurred_at AT TIME ZONE 'Europe/Moscow')::date,
                   CASE $3 WHEN 'station' THEN d.station WHEN 'card' THEN c.id::text ELSE '' END,
                   d.product, d.currency::text, count(*), sum(d.quantity), sum(d.amount)
            FROM crm.card_transaction_detail d JOIN crm.card c ON c.token = d.card_token
            WHERE d.occurred_at >= $1 AND d.occurred_at < $2 AND %s
            GROUP BY 1, 2, 3, 4 $sql$, condition) USING since, until, dimension, progress;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION crm.turnover_live(text, timestamptz, timestamptz, boolean) TO crm_app;
