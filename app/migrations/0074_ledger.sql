-- Points by double entry (K3; docs/decisions/0122-points-by-double-entry.md): every entry moves points from accounts to
-- accounts, so that the sum over all of them is zero at any time and what was given out can be proven.
-- Nothing here is ever changed or removed but the balance of a customer's account, which only the ledger itself moves.

CREATE TABLE crm.ledger_account (
    id         uuid        PRIMARY KEY,
    owner      uuid        CONSTRAINT ledger_account_owner_fkey REFERENCES crm.customer (id),  -- null: the programme's own
    purpose    text        NOT NULL CHECK (purpose IN ('points', 'granted', 'redeemed', 'corrected')),
    -- Of customers only. A balance of the programme's accounts would be one row that every entry waits for.
    balance    numeric(16, 2) DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_account_owner_key UNIQUE (owner),
    CONSTRAINT ledger_account_purpose CHECK ((owner IS NOT NULL) = (purpose = 'points')),
    CONSTRAINT ledger_account_balance CHECK ((owner IS NULL) = (balance IS NULL)),
    CONSTRAINT ledger_account_no_overdraft CHECK (balance >= 0)
) WITH (fillfactor = 70);
GRANT SELECT, INSERT (id, owner, purpose, created_at) ON crm.ledger_account TO crm_app;
INSERT INTO crm.ledger_account (id, purpose, balance) VALUES
    ('00000000-0000-7000-8000-000000000001', 'granted', NULL),
    ('00000000-0000-7000-8000-000000000002', 'redeemed', NULL),
    ('00000000-0000-7000-8000-000000000003', 'corrected', NULL);

CREATE TABLE crm.ledger_entry (
    id           uuid        PRIMARY KEY,
    kind         text        NOT NULL
                 CHECK (kind IN ('accrual', 'redemption', 'correction', 'transfer', 'reversal')),
    reference    text        NOT NULL CHECK (length(reference) <= 200),  -- what it stands for: each once
    reverses     uuid        CONSTRAINT ledger_entry_reverses_key UNIQUE
                             CONSTRAINT ledger_entry_reverses_fkey REFERENCES crm.ledger_entry (id),
    rule         text,       -- of an accrual: the rule and its version
    rule_version integer,
    occurred_at  timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    actor        text        NOT NULL,
    note         text,
    postings     smallint    NOT NULL CHECK (postings >= 2),  -- so that none can be added later
    CONSTRAINT ledger_entry_reference_key UNIQUE (kind, reference),
    CONSTRAINT ledger_entry_reversal CHECK ((kind = 'reversal') = (reverses IS NOT NULL))
);
GRANT SELECT, INSERT ON crm.ledger_entry TO crm_app;

CREATE TABLE crm.ledger_posting (
    entry_id   uuid           NOT NULL REFERENCES crm.ledger_entry (id),
    line       smallint       NOT NULL,
    account_id uuid           NOT NULL REFERENCES crm.ledger_account (id),
    amount     numeric(16, 2) NOT NULL CHECK (amount <> 0),  -- what the account gains
    PRIMARY KEY (entry_id, line)
);
CREATE INDEX ledger_posting_account_idx ON crm.ledger_posting (account_id, entry_id);
GRANT SELECT, INSERT ON crm.ledger_posting TO crm_app;

-- At the commit: an entry is whole, and sums up to nothing. As the owner, who sees the postings of all.
CREATE FUNCTION crm.check_ledger_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry uuid := to_jsonb(NEW)->>CASE TG_TABLE_NAME WHEN 'ledger_entry' THEN 'id' ELSE 'entry_id' END;
BEGIN
    PERFORM FROM crm.ledger_entry e
    JOIN LATERAL (SELECT count(*) AS postings, sum(p.amount) AS total
                  FROM crm.ledger_posting p WHERE p.entry_id = e.id) AS found
      ON found.postings = e.postings AND found.total = 0
    WHERE e.id = entry;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'ledger entry % does not sum up to zero over all of its postings', entry
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entry_balanced AFTER INSERT ON crm.ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.check_ledger_entry();
CREATE CONSTRAINT TRIGGER ledger_posting_balanced AFTER INSERT ON crm.ledger_posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.check_ledger_entry();

-- Postings move balances, and nothing else does. The row lock is what makes two redemptions at once take their turns.
CREATE FUNCTION crm.move_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- In one order, so that two batches never wait for each other in a ring.
    PERFORM FROM crm.ledger_account a
    WHERE a.id IN (SELECT f.account_id FROM fresh f) AND a.owner IS NOT NULL ORDER BY a.id FOR NO KEY UPDATE;
    UPDATE crm.ledger_account a SET balance = a.balance + moved.amount
    FROM (SELECT f.account_id, sum(f.amount) AS amount FROM fresh f GROUP BY f.account_id) AS moved
    WHERE a.id = moved.account_id AND a.owner IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER move_balances AFTER INSERT ON crm.ledger_posting
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION crm.move_balances();

CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crm.ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_to_rewrite();
CREATE TRIGGER ledger_posting_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crm.ledger_posting
    FOR EACH STATEMENT EXECUTE FUNCTION crm.refuse_to_rewrite();

-- For those who post to many accounts at once: opens the missing ones and locks all until the commit.
CREATE FUNCTION crm.lock_ledger_accounts(owners uuid[]) RETURNS TABLE (id uuid, owner uuid, balance numeric)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO crm.ledger_account (id, owner, purpose)
    SELECT crm.new_id(), o.owner, 'points' FROM unnest(owners) AS o (owner) ORDER BY o.owner
    ON CONFLICT ON CONSTRAINT ledger_account_owner_key DO NOTHING;
    RETURN QUERY
    SELECT a.id, a.owner, a.balance FROM crm.ledger_account a
    WHERE a.owner = ANY (owners) ORDER BY a.id FOR NO KEY UPDATE;
END $$;
GRANT EXECUTE ON FUNCTION crm.lock_ledger_accounts(uuid[]) TO crm_app;

-- What one customer has becomes another's, as when their cards are merged: all of it, or at most `most`. As the owner:
-- points go over whatever the caller may do with them; who may merge was decided before. Returns what went over.
CREATE FUNCTION crm.transfer_points(giver uuid, taker uuid, of_reference text, by_actor text, most numeric)
RETURNS numeric
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry  uuid := crm.new_id();
    points numeric;
BEGIN
    PERFORM FROM crm.lock_ledger_accounts(ARRAY[giver, taker]);
    SELECT least(a.balance, most) INTO points FROM crm.ledger_account a WHERE a.owner = giver;
    IF points > 0 THEN
        INSERT INTO crm.ledger_entry (id, kind, reference, occurred_at, actor, postings)
        VALUES (entry, 'transfer', of_reference, now(), by_actor, 2);
        INSERT INTO crm.ledger_posting (entry_id, line, account_id, amount)
        SELECT entry, l.line, a.id, l.amount
        FROM (VALUES (1, giver, -points), (2, taker, points)) AS l (line, owner, amount)
        JOIN crm.ledger_account a ON a.owner = l.owner;
    END IF;
    RETURN points;
END $$;
-- And back: as much of what went over as is still there.
CREATE FUNCTION crm.return_points(giver uuid, taker uuid, of_reference text, by_actor text) RETURNS numeric
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT crm.transfer_points(giver, taker, of_reference || ', undone', by_actor, went.points)
    FROM (SELECT coalesce(max(p.amount), 0) AS points
          FROM crm.ledger_entry e JOIN crm.ledger_posting p ON p.entry_id = e.id
          WHERE e.kind = 'transfer' AND e.reference = of_reference) AS went
$$;
GRANT EXECUTE ON FUNCTION crm.transfer_points(uuid, uuid, text, text, numeric),
    crm.return_points(uuid, uuid, text, text) TO crm_app;

-- Accrual rules as data, and how far the feed has been accrued: everything received by transactions up to this one.
CREATE TABLE crm.accrual_rule (
    code        text           PRIMARY KEY,
    active      boolean        NOT NULL,
    version     integer        NOT NULL DEFAULT 1,
    changed_at  timestamptz    NOT NULL DEFAULT now(),
    changed_by  text           NOT NULL DEFAULT 'migration',
    title       jsonb          NOT NULL,
    position    integer        NOT NULL,
    products    text[]         NOT NULL,
    stations    text[]         NOT NULL,
    basis       text           NOT NULL,
    rate        numeric(10, 4) NOT NULL,
    valid_from  timestamptz,
    valid_until timestamptz
);
GRANT SELECT, INSERT, UPDATE ON crm.accrual_rule TO crm_app;
INSERT INTO crm.accrual_rule (code, active, title, position, products, stations, basis, rate) VALUES
    ('one-percent', true,
     jsonb_build_object('ru', 'Один балл со ста рублей', 'en', 'A point for a hundred roubles', 'kk', 'Жүз рубльден бір балл'),
     10000, '{}', '{}', 'amount', 0.01);
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'accrual-rules', r.code, r.version, r.changed_at, r.changed_by,
       to_jsonb(r) - '{version,changed_at,changed_by}'::text[] FROM crm.accrual_rule r;

CREATE TABLE crm.accrual_progress (received_by xid8 NOT NULL) WITH (fillfactor = 10);
CREATE UNIQUE INDEX accrual_progress_one ON crm.accrual_progress ((true));
INSERT INTO crm.accrual_progress VALUES (pg_current_xact_id());  -- what came before there was a programme stays as it is
GRANT SELECT, UPDATE ON crm.accrual_progress TO crm_app;

-- An account is reached with its owner; its postings and their entries with it. Whoever may post for somebody at all
-- may take from and give to the programme.
SELECT crm.protect_by_labels('crm.accrual_rule', 'directory', 'NULL::text[]'),
       crm.protect_by_labels('crm.accrual_progress', 'other', 'NULL::text[]');
SELECT crm.protect_by_parent('crm.ledger_account', 'owner', 'crm.customer', 'loyalty',
    $$crm.labels('loyalty', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)$$);
CREATE FUNCTION crm.may_post() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM unnest(crm.granted('creates') || crm.granted('changes')) AS g (label)
                   WHERE g.label LIKE 'loyalty:%')
$$;
GRANT EXECUTE ON FUNCTION crm.may_post() TO crm_app;
CREATE POLICY app_programme ON crm.ledger_account FOR SELECT TO crm_app
    USING (owner IS NULL AND (SELECT crm.may_post()));
SELECT crm.protect('crm.ledger_posting',
    $$(SELECT 'loyalty:*' = ANY (crm.granted('reads')))
      OR EXISTS (SELECT FROM crm.ledger_account a WHERE a.id = account_id)$$,
    $$(SELECT 'loyalty:*' = ANY (crm.granted('creates') || crm.granted('changes')))
      OR (SELECT crm.may_post()) AND EXISTS (
        SELECT FROM crm.ledger_account a LEFT JOIN crm.customer p ON p.id = a.owner
        WHERE a.id = account_id AND (a.owner IS NULL
              OR crm.labels('loyalty', p.zone_manager, p.zone_unit, p.zone_region, p.zone_partner, p.id)
                 && ((SELECT crm.granted('creates')) || (SELECT crm.granted('changes')))))$$,
    'false');
SELECT crm.protect('crm.ledger_entry',
    $$(SELECT 'loyalty:*' = ANY (crm.granted('reads')))
      OR EXISTS (SELECT FROM crm.ledger_posting p JOIN crm.ledger_account a ON a.id = p.account_id
                 WHERE p.entry_id = ledger_entry.id AND a.owner IS NOT NULL)$$,
    '(SELECT crm.may_post())', 'false');
