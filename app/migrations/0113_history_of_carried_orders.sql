-- Who carries an order reads what happened to it, as far as it is a carrier's business: neither what went before its
-- submission nor what was asked and granted for its price.
CREATE POLICY app_read_carried ON crm.record_event FOR SELECT TO crm_app
    USING (noun = 'order' AND kind IN ('submitted', 'confirmed', 'refused', 'shipped', 'completed', 'cancelled', 'vehicle_named')
           AND EXISTS (SELECT FROM crm.sales_order o WHERE o.id = record_id));
