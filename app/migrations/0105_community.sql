-- The portal's feed and messenger between clients, and the chat of a client with its managers (S9).

-- Somebody takes part in the community who was granted it at all, for whichever company.
CREATE FUNCTION crm.takes_part(action text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM unnest(crm.granted(action)) AS label WHERE label LIKE 'community:%')
$$;
GRANT EXECUTE ON FUNCTION crm.takes_part(text) TO crm_app;

-- Clients who have an account in the portal know each other; nothing else of an account is shown.
CREATE FUNCTION crm.portal_members() RETURNS TABLE (id text, title text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.id, a.title FROM crm.account a
    WHERE 'customer' = ANY (a.roles) AND a.customer IS NOT NULL AND a.disabled_at IS NULL
$$;
REVOKE EXECUTE ON FUNCTION crm.portal_members() FROM public;
GRANT EXECUTE ON FUNCTION crm.portal_members() TO crm_app;

CREATE TABLE crm.post (
    id         uuid        PRIMARY KEY,
    author     text        NOT NULL,
    category   text        NOT NULL,
    text       text        NOT NULL,
    created_at timestamptz NOT NULL,
    hidden     boolean     NOT NULL DEFAULT false
);
CREATE INDEX post_shown_idx ON crm.post (id) WHERE NOT hidden;
CREATE INDEX post_category_idx ON crm.post (category, id) WHERE NOT hidden;
CREATE INDEX post_author_idx ON crm.post (author, id);
GRANT SELECT, INSERT, UPDATE (hidden) ON crm.post TO crm_app;

CREATE TABLE crm.letter (
    id         uuid        PRIMARY KEY,
    sender     text        NOT NULL,
    recipient  text        NOT NULL,
    text       text        NOT NULL,
    created_at timestamptz NOT NULL,
    read_at    timestamptz,
    CONSTRAINT letter_to_another CHECK (sender <> recipient)
);
CREATE INDEX letter_sender_idx ON crm.letter (sender, recipient, id);
CREATE INDEX letter_recipient_idx ON crm.letter (recipient, sender, id);
GRANT SELECT, INSERT, UPDATE (read_at) ON crm.letter TO crm_app;

CREATE TABLE crm.chat_message (
    id          uuid        PRIMARY KEY,
    customer_id uuid        NOT NULL CONSTRAINT chat_message_customer_id_fkey REFERENCES crm.customer (id),
    author      text        NOT NULL,
    of_customer boolean     NOT NULL,
    text        text        NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX chat_message_customer_idx ON crm.chat_message (customer_id, id);
GRANT SELECT, INSERT ON crm.chat_message TO crm_app;

-- All who take part read the feed; each writes, and hides, in the own name only. Whoever keeps order hides anything.
SELECT crm.protect('crm.post', '(SELECT crm.takes_part(''reads''))',
    'author = (SELECT crm.acting_principal()) AND (SELECT crm.takes_part(''creates''))',
    $$author = (SELECT crm.acting_principal()) OR (SELECT crm.granted('changes') @> '{community:*}')$$);
-- A letter is its two correspondents' and nobody else's, not the administrators' either.
SELECT crm.protect('crm.letter', '(SELECT crm.acting_principal()) IN (sender, recipient)',
    'sender = (SELECT crm.acting_principal()) AND (SELECT crm.takes_part(''creates''))',
    'recipient = (SELECT crm.acting_principal())');
SELECT crm.protect_by_customer('crm.chat_message', $$'chat'$$);

-- A card that was merged meanwhile leads to the one it became (0091).
CREATE TRIGGER follow_merge BEFORE INSERT ON crm.chat_message FOR EACH ROW
    EXECUTE FUNCTION crm.follow_merge('customer_id');
