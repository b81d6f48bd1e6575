-- Whether a row is reached because its customer is, and not by a label of its own or a rule for all: what of it is masked
-- depends on that (app/access/masking.py).
CREATE FUNCTION crm.reached_by_customer(resource text, customer uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM crm.customer p WHERE p.id = reached_by_customer.customer
                   AND crm.labels(resource, p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)
                       && crm.granted('reads'))
$$;
GRANT EXECUTE ON FUNCTION crm.reached_by_customer(text, uuid) TO crm_app;
