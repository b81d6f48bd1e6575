-- Keys that nobody reads any more since 0122: five of a card. A thousand pages at a time, so that no form waits long
-- for the rows of its card; some minutes at ten million cards.

DO $$
DECLARE
    page  bigint := 0;
    pages bigint := pg_relation_size('crm.customer_key') / current_setting('block_size')::bigint;
BEGIN
    WHILE page <= pages LOOP
        DELETE FROM crm.customer_key k
        WHERE k.ctid >= format('(%s,0)', page)::tid AND k.ctid < format('(%s,0)', page + 1000)::tid
          AND k.kind IN ('inn', 'ogrn', 'snils', 'external_id', 'phone', 'email', 'name');
        COMMIT;
        page := page + 1000;
    END LOOP;
END $$;
