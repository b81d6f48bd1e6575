-- The functions that give an audit entry its bytes and its hash, in PL/pgSQL: a function in SQL is planned anew by
-- every statement that calls it (see 0119), and started anew for every entry. They say what they said.

CREATE OR REPLACE FUNCTION crm.audit_bytes(e crm.audit_pending, place bigint) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    subjects text := '';
    subject  text;
BEGIN
    FOREACH subject IN ARRAY e.subjects LOOP
        subjects := subjects || crm.audit_field(subject);
    END LOOP;
    RETURN convert_to(
        crm.audit_field(e.site) || crm.audit_field(place::text) || crm.audit_field(e.id::text)
        || crm.audit_field((extract(epoch FROM e.at) * 1000000)::bigint::text)
        || crm.audit_field(e.kind) || crm.audit_field(e.principal) || crm.audit_field(e.unit)
        || crm.audit_field(e.region) || crm.audit_field(e.partner) || crm.audit_field(e.operation)
        || crm.audit_field(e.status::text) || crm.audit_field(subjects)
        || crm.audit_field(e.trace) || crm.audit_field(e.client)
        || crm.audit_field(encode(e.fingerprint, 'hex')), 'UTF8');
END $$;

CREATE OR REPLACE FUNCTION crm.audit_link(state bytea, before bytea, content bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN sha256(coalesce(state, before) || content);
END $$;
