-- Calls, bookings, notifications and bulk loads under the policies of 0010. Until now their endpoints belonged to
-- the resource `other`, and the release before this one knows no other label for them: so `other:*` reaches them.

CREATE FUNCTION crm.whole(action text, resource text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('(SELECT crm.granted(%L) && %L::text[])', action, ARRAY[resource || ':*', 'other:*'])
$$;

-- As crm.protect_by_labels; `seen_with` and `changed_with` are further conditions, under which a row is also read
-- and changed.
CREATE FUNCTION crm.protect_desk(
    guarded regclass, resource text, labels text, seen_with text, changed_with text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    reached text := format('((%s) && (SELECT crm.granted(%%L)))', labels);
BEGIN
    PERFORM crm.protect(guarded,
        concat_ws(' OR ', crm.whole('reads', resource), format(reached, 'reads'), seen_with),
        concat_ws(' OR ', crm.whole('creates', resource), format(reached, 'creates')),
        concat_ws(' OR ', crm.whole('changes', resource), format(reached, 'changes'), changed_with));
END $$;

-- What a row names must be seen by whoever names it: a foreign key alone sees all rows, and would tell.
CREATE FUNCTION crm.see_request() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.request_id IS NOT NULL AND NOT EXISTS (SELECT FROM crm.request r WHERE r.id = NEW.request_id) THEN
        RAISE EXCEPTION 'no request %', NEW.request_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_TABLE_NAME || '_request_id_fkey';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION crm.see_customer() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.customer_id IS NOT NULL AND NOT EXISTS (SELECT FROM crm.customer c WHERE c.id = NEW.customer_id) THEN
        RAISE EXCEPTION 'no customer %', NEW.customer_id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = TG_TABLE_NAME || '_customer_id_fkey';
    END IF;
    RETURN NEW;
END $$;

-- Calls: reached by the operator, and with their request or customer (whose merging moves them).
CREATE TRIGGER call_see_request BEFORE INSERT ON crm.call FOR EACH ROW EXECUTE FUNCTION crm.see_request();
CREATE TRIGGER call_see_customer BEFORE INSERT ON crm.call FOR EACH ROW EXECUTE FUNCTION crm.see_customer();
SELECT crm.protect_desk('crm.call', 'call', $$ARRAY['call:manager=' || operator]$$, with_subject, with_subject)
FROM (VALUES ($$EXISTS (SELECT FROM crm.request r WHERE r.id = call.request_id)
      OR EXISTS (SELECT FROM crm.customer c WHERE c.id = call.customer_id)$$)) AS rule (with_subject);

-- Bookings: reached by who is booked, by the head of that person's unit, and with their request, by which they are
-- also made and cancelled.
CREATE TRIGGER booking_see_request BEFORE INSERT ON crm.booking
    FOR EACH ROW EXECUTE FUNCTION crm.see_request();
SELECT crm.protect('crm.booking',
    concat_ws(' OR ', crm.whole('reads', 'booking'), format(reached, 'reads'), with_request),
    concat_ws(' OR ', crm.whole('creates', 'booking'), format(reached, 'creates'), with_request),
    concat_ws(' OR ', crm.whole('changes', 'booking'), format(reached, 'changes'), with_request))
FROM (VALUES (
    $$(ARRAY['booking:manager=' || person,
             'booking:unit=' || (SELECT p.unit FROM crm.person p WHERE p.code = booking.person)]
       && (SELECT crm.granted(%L)))$$,
    'EXISTS (SELECT FROM crm.request r WHERE r.id = booking.request_id)')) AS rule (reached, with_request);
-- When somebody has time is no secret; whom they meet is.
SELECT crm.protect_desk('crm.availability', 'booking',
    $$ARRAY['booking:manager=' || person,
            'booking:unit=' || (SELECT p.unit FROM crm.person p WHERE p.code = availability.person)]$$,
    '(SELECT crm.acting_principal() IS NOT NULL)', NULL);

-- Whether somebody is booked, for those who do not reach the booking: its time is taken all the same.
CREATE FUNCTION crm.is_booked(person text, span tstzrange) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = crm, pg_temp AS $$
    SELECT EXISTS (SELECT FROM crm.booking b
                   WHERE b.person = is_booked.person AND NOT b.cancelled AND b.during && span)
$$;
GRANT EXECUTE ON FUNCTION crm.is_booked(text, tstzrange) TO crm_app;

-- Notifications: read by whom they are for; made by whoever does to a request what somebody has to know.
SELECT crm.protect('crm.notification',
    concat_ws(' OR ', crm.whole('reads', 'notification'), format(own, 'reads')),
    concat_ws(' OR ', crm.whole('creates', 'notification'),
              'EXISTS (SELECT FROM crm.request r WHERE r.id = notification.request_id)'),
    concat_ws(' OR ', crm.whole('changes', 'notification'), format(own, 'changes')))
FROM (VALUES ($$('notification:manager=' || recipient = ANY (crm.granted(%L)))$$)) AS rule (own);

-- Bulk loads: whoever sent one follows it. What hangs on it is reached with it.
SELECT crm.protect_desk('crm.import_job', 'import', $$ARRAY['import:manager=' || principal]$$, NULL, NULL);
SELECT crm.protect(child,
    concat_ws(' OR ', crm.whole('reads', 'import'), with_job),
    concat_ws(' OR ', crm.whole('creates', 'import'), with_job),
    concat_ws(' OR ', crm.whole('changes', 'import'), with_job))
FROM unnest('{crm.import_progress,crm.import_block,crm.import_rejection}'::regclass[]) AS child
CROSS JOIN LATERAL (
    SELECT format('EXISTS (SELECT FROM crm.import_job j WHERE j.id = %s.job_id)', child)) AS rule (with_job);
