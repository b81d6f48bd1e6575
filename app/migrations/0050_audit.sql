-- The audit log: who did and saw what (docs/decisions/0150-audit.md). An entry waits in `audit_pending`, put there
-- by the transaction that it is about; `crm.seal_audit` moves entries into `audit_entry`, one chain a site, each
-- entry with the SHA-256 over the hash before it and its own content.

CREATE TABLE crm.audit_pending (
    id          uuid        PRIMARY KEY,  -- UUIDv7; an entry delivered twice is sealed once
    site        text        NOT NULL,     -- of the API that did or showed it
    at          timestamptz NOT NULL DEFAULT now(),
    kind        text        NOT NULL CHECK (kind IN ('write', 'disclosure', 'refusal', 'notice')),
    principal   text        NOT NULL,
    unit        text,                     -- the principal's zone
    region      text,
    partner     text,
    operation   text        NOT NULL,     -- method and path
    status      smallint    NOT NULL,     -- of the answer
    subjects    text[]      NOT NULL,     -- paths of what was made, changed or shown
    trace       text        NOT NULL,
    client      text,                     -- its address
    fingerprint bytea                     -- SHA-256 of method, path and body of a write
);
-- It adds entries and cannot look at, change or remove any: so there is nothing for row-level security to do.
GRANT INSERT ON crm.audit_pending TO crm_app;

CREATE TABLE crm.audit_entry (
    site        text        NOT NULL,
    position    bigint      NOT NULL,     -- 1, 2, 3 … without a gap
    hash        bytea       NOT NULL,
    id          uuid        NOT NULL CONSTRAINT audit_entry_id_key UNIQUE,
    at          timestamptz NOT NULL,
    kind        text        NOT NULL,
    principal   text        NOT NULL,
    unit        text,
    region      text,
    partner     text,
    operation   text        NOT NULL,
    status      smallint    NOT NULL,
    subjects    text[]      NOT NULL,
    trace       text        NOT NULL,
    client      text,
    fingerprint bytea,
    PRIMARY KEY (site, position)
);
CREATE INDEX audit_entry_principal_idx ON crm.audit_entry (principal, id);
CREATE INDEX audit_entry_subjects_idx ON crm.audit_entry USING gin (subjects);  -- who has seen this card?
GRANT SELECT ON crm.audit_entry TO crm_app;
SELECT crm.protect_by_labels('crm.audit_entry', 'audit',
    $$crm.labels('audit', principal, unit, region, partner, NULL)$$);

-- Against a slip of the owner's hand. Whoever means it switches the trigger off; the chain then tells.
CREATE FUNCTION crm.refuse_to_rewrite() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crm.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_to_rewrite();

-- The canonical bytes of an entry: its fields in this order, each as a netstring without digits to guess
-- (`4:take,`; `-,` for none). app/audit/chain.py does the same, on its own, for the verification.
CREATE FUNCTION crm.audit_field(value text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(octet_length(value) || ':' || value, '-') || ',' $$;

CREATE FUNCTION crm.audit_bytes(e crm.audit_pending, place bigint) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT convert_to(
        crm.audit_field(e.site) || crm.audit_field(place::text) || crm.audit_field(e.id::text)
        || crm.audit_field((extract(epoch FROM e.at) * 1000000)::bigint::text)
        || crm.audit_field(e.kind) || crm.audit_field(e.principal) || crm.audit_field(e.unit)
        || crm.audit_field(e.region) || crm.audit_field(e.partner) || crm.audit_field(e.operation)
        || crm.audit_field(e.status::text)
        || crm.audit_field((SELECT coalesce(string_agg(crm.audit_field(s.subject), '' ORDER BY s.number), '')
                            FROM unnest(e.subjects) WITH ORDINALITY AS s (subject, number)))
        || crm.audit_field(e.trace) || crm.audit_field(e.client)
        || crm.audit_field(encode(e.fingerprint, 'hex')), 'UTF8')
$$;

-- As a window aggregate over the entries in their order it gives each its hash; `before` is that of the
-- entry before the first.
CREATE FUNCTION crm.audit_link(state bytea, before bytea, content bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$ SELECT sha256(coalesce(state, before) || content) $$;
CREATE AGGREGATE crm.audit_chain (before bytea, content bytea) (SFUNC = crm.audit_link, STYPE = bytea);

-- Seals up to `batch` entries and returns the new heads; nothing while another session seals. Runs as the owner,
-- so that the API's role can have entries sealed and can do nothing else to them.
CREATE FUNCTION crm.seal_audit(batch integer) RETURNS TABLE (site text, sealed bigint, head bigint, hash bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = crm, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF NOT pg_try_advisory_xact_lock(2003136115, 50) THEN  -- released when the commit is on both sites
        RETURN;
    END IF;
    RETURN QUERY
    WITH taken AS (
        DELETE FROM crm.audit_pending p
        WHERE p.id IN (SELECT w.id FROM crm.audit_pending w ORDER BY w.id LIMIT batch)
        RETURNING p AS entry
    ), fresh AS (
        SELECT t.entry FROM taken t WHERE NOT EXISTS (SELECT FROM crm.audit_entry e WHERE e.id = (t.entry).id)
    ), base AS MATERIALIZED (
        SELECT s.site, coalesce(last.position, 0) AS position,
               coalesce(last.hash, decode(repeat('00', 32), 'hex')) AS hash
        FROM (SELECT DISTINCT (f.entry).site FROM fresh f) AS s
        LEFT JOIN LATERAL (SELECT e.position, e.hash FROM crm.audit_entry e WHERE e.site = s.site
                           ORDER BY e.position DESC LIMIT 1) AS last ON true
    ), placed AS (
        SELECT f.entry, b.hash AS before,
               b.position + row_number() OVER (PARTITION BY b.site ORDER BY (f.entry).id) AS position
        FROM fresh f JOIN base b ON b.site = (f.entry).site
    ), linked AS (
        INSERT INTO crm.audit_entry (site, position, hash, id, at, kind, principal, unit, region, partner,
                                     operation, status, subjects, trace, client, fingerprint)
        SELECT (p.entry).site, p.position,
               crm.audit_chain(p.before, crm.audit_bytes(p.entry, p.position))
                   OVER (PARTITION BY (p.entry).site ORDER BY p.position),
               (p.entry).id, (p.entry).at, (p.entry).kind, (p.entry).principal, (p.entry).unit, (p.entry).region,
               (p.entry).partner, (p.entry).operation, (p.entry).status, (p.entry).subjects, (p.entry).trace,
               (p.entry).client, (p.entry).fingerprint
        FROM placed p
        RETURNING audit_entry.site, audit_entry.position, audit_entry.hash
    )
    SELECT l.site, count(*), max(l.position), (array_agg(l.hash ORDER BY l.position DESC))[1]
    FROM linked l GROUP BY l.site ORDER BY l.site;
END $$;
GRANT EXECUTE ON FUNCTION crm.seal_audit(integer) TO crm_app;
