-- Whoever a claim was routed to decides it, and so reads what happened to it, also out of the customer's zone.
CREATE POLICY app_read_routed ON crm.record_event FOR SELECT TO crm_app
    USING (noun = 'claim' AND EXISTS (SELECT FROM crm.claim k WHERE k.id = record_id));
