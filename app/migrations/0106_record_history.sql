-- A step is written down only of a record that its writer reaches (0100 let anybody who is somebody): its own row
-- was made or changed before in the same transaction, under the rules of its table.
CREATE FUNCTION crm.reaches_record(noun text, record uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE noun
        WHEN 'deal' THEN EXISTS (SELECT FROM crm.deal r WHERE r.id = record)
                      OR EXISTS (SELECT FROM crm.task r WHERE r.id = record)
        WHEN 'contract' THEN EXISTS (SELECT FROM crm.contract r WHERE r.id = record)
        WHEN 'order' THEN EXISTS (SELECT FROM crm.sales_order r WHERE r.id = record)
        WHEN 'claim' THEN EXISTS (SELECT FROM crm.claim r WHERE r.id = record)
        ELSE false
    END
$$;
GRANT EXECUTE ON FUNCTION crm.reaches_record(text, uuid) TO crm_app;
ALTER POLICY app_create ON crm.record_event WITH CHECK (crm.reaches_record(noun, record_id));
