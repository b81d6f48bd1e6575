-- The service tables under the policies of 0010 (docs/crm-access.md), after 0021 made them.

-- A request is also reached by the unit and the region that it was routed to.
CREATE FUNCTION crm.request_labels(r crm.request) RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT crm.labels('request', r.zone_manager, r.zone_unit, r.zone_region, r.zone_partner, r.customer_id)
           || ('request:manager=' || r.assignee) || ('request:unit=' || r.unit) || ('request:region=' || r.region)
$$;
GRANT EXECUTE ON FUNCTION crm.request_labels(crm.request) TO crm_app;

DO $$
DECLARE
    old record;
BEGIN
    FOR old IN SELECT policyname, tablename FROM pg_policies
               WHERE schemaname = 'crm' AND tablename IN ('request', 'request_event')
    LOOP
        EXECUTE format('DROP POLICY %I ON crm.%I', old.policyname, old.tablename);
    END LOOP;
END $$;
SELECT crm.protect_by_labels('crm.request', 'request', 'crm.request_labels(request)');
SELECT crm.protect_by_parent(child, 'request_id', 'crm.request', 'request', 'crm.request_labels(p)')
FROM unnest('{crm.request_event,crm.request_message,crm.attachment}'::regclass[]) AS child;
SELECT crm.protect_by_parent('crm.customer_profile', 'customer_id', 'crm.customer', 'customer',
    $$crm.labels('customer', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)$$);
