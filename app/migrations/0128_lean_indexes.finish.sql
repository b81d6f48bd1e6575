-- Indexes that a card paid for and nobody needs (docs/decisions/0193-lean-cards.md). The release before looks OGRNs up
-- in the first of them, so it goes when that release serves no more.

-- A card's OGRN by the register, which says whose INN it is. That no two cards share an OGRN and a KPP follows: an OGRN
-- belongs to one INN (crm.legal_entity), and no two cards share an INN and a KPP.
CREATE OR REPLACE VIEW crm.exact_key (value, kind, customer_id) WITH (security_invoker = true) AS
SELECT c.inn, 'inn', c.id FROM crm.customer c WHERE c.inn IS NOT NULL
UNION ALL
SELECT e.ogrn, 'ogrn', c.id FROM crm.legal_entity e JOIN crm.customer c ON c.inn = e.inn AND c.ogrn = e.ogrn
UNION ALL
SELECT c.snils, 'snils', c.id FROM crm.customer c WHERE c.snils IS NOT NULL
UNION ALL
SELECT c.external_id, 'external_id', c.id FROM crm.customer c WHERE c.external_id IS NOT NULL
UNION ALL
SELECT t.value, t.kind, t.customer_id FROM crm.contact t
UNION ALL
SELECT k.value, k.kind, k.customer_id FROM crm.customer_key k
WHERE k.kind NOT IN ('inn', 'ogrn', 'snils', 'external_id', 'phone', 'email', 'name');
DROP INDEX crm.customer_ogrn_kpp_key;

-- A contact is named by its card, kind and value, which are unique; nobody ever looked for its id.
ALTER TABLE crm.contact DROP CONSTRAINT contact_pkey;

-- As 0121, at half the time: the variants of a word are told apart by the sort that is needed anyway. Its eighth one is
-- the beginning itself.
CREATE OR REPLACE FUNCTION crm.add_variants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crm.name_variant (variant, word)
    SELECT DISTINCT (left(b.beginning, place - 1) || substr(b.beginning, place + 1)) COLLATE "C", b.word COLLATE "C"
    FROM (
        SELECT left(a.word, 7) AS beginning, a.word
        FROM added a WHERE length(a.word) >= 3 AND a.word !~ '^[0-9]+$' OFFSET 0
    ) AS b
    CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7), (8)) AS p (place)
    WHERE place <= length(b.beginning) OR place = 8
    ORDER BY 1, 2;
    RETURN NULL;
END $$;
