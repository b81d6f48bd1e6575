"""Every operation of the description, asked as every role, for somebody else's things."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from stdnum import luhn

from app.access.operations import need
from app.access.policy import TABLE, Action, Reach, Resource, Role
from app.access.principal import Principal, access_of, acting_as
from app.main import create_app
from app.settings import Settings
from tests.integration.app import walk_sales

pytestmark = pytest.mark.safety

BASE = "/api/v1"
SECRET_TEXT = "for their eyes only"
THEIR_UNIT, THEIR_PERSON = "walked-unit", "walked-owner"
PERIOD = "since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z"

DESCRIPTION = create_app(Settings(database_url="postgresql:///")).openapi()
OPERATIONS = [
    (method.upper(), path)
    for path, methods in DESCRIPTION["paths"].items()
    for method in methods
    if need(method.upper(), path) is not None
]


@dataclass(frozen=True)
class Theirs:
    """What belongs to somebody else: the parameters of paths, and what of it may never be told."""

    parameters: dict[str, str]
    untold: tuple[str, ...]

    def address(self, template: str) -> str:
        noun = template.removeprefix(f"{BASE}/").partition("/")[0]
        path = template.replace("{record_id}", f"{{{walk_sales.RECORDS.get(noun)}}}")
        for name, value in self.parameters.items():
            path = path.replace(f"{{{name}}}", value)
        return path + QUERIES.get(template, "").format(**self.parameters)

    def body(self, method: str, path: str) -> object:
        """One that would do harm if it got through."""
        form = BODIES.get((method, path), {})
        if not form and "{request_id}" in path:
            form = {"operator": "me", "resolution": "x"}
        if not form and "{card_id}" in path:
            form = {"reason": "x"}
        return {
            name: value.format(**self.parameters) if isinstance(value, str) else value
            for name, value in (form or {"name": "Чужой"}).items()
        }


# Addresses that ask for nothing without a query, and bodies that name what is not theirs.
QUERIES = {
    f"{BASE}/customers/search": "?q={name}",
    f"{BASE}/requests": "?assignee=" + THEIR_PERSON,
    f"{BASE}/notifications": "?recipient=" + THEIR_PERSON,
    f"{BASE}/notifications/stream": "?recipient=" + THEIR_PERSON,
    f"{BASE}/slots": f"?kind=callback&{PERIOD}",
    f"{BASE}/reports/service": f"?by=unit&{PERIOD}",
    f"{BASE}/turnover": "?by=card&since=2026-01-01T00:00:00Z&until=2026-01-31T00:00:00Z",
    f"{BASE}/audit/entries": "?subject=customers/{customer_id}",
    **walk_sales.QUERIES,
}
BODIES = {
    ("POST", f"{BASE}/requests"): {
        "customer_id": "{customer_id}", "channel": "api", "topic": "cards", "subject": "x", "text": "x",
    },
    ("POST", f"{BASE}/cards/check"): {
        "token": "{token}", "station": "x", "product": "x", "quantity": "1", "amount": "1",
    },
    ("PUT", f"{BASE}/cards/{{card_id}}/limits"): {"daily_quantity": "1"},
    ("POST", f"{BASE}/external/{{system}}/requests/{{reference}}/status"): {
        "status": "x", "course": "closed",
    },
    ("POST", f"{BASE}/external/{{system}}/requests/{{reference}}/messages"): {"author": "x", "text": "x"},
    ("POST", f"{BASE}/loyalty-accounts/{{customer_id}}/redemptions"): {"points": "1", "reference": "x"},
    ("POST", f"{BASE}/loyalty-accounts/{{customer_id}}/corrections"): {
        "points": "1", "reference": "x", "reason": "x",
    },
    ("POST", f"{BASE}/loyalty-accounts/{{customer_id}}/entries/{{entry_id}}/reversal"): {"reason": "x"},
    ("POST", f"{BASE}/calls"): {
        "external_id": "{call_external_id}", "direction": "in", "phone": "+74950000000",
        "started_at": "2026-01-02T03:04:05Z", "customer_id": "{customer_id}", "request_id": "{request_id}",
    },
    ("POST", f"{BASE}/bookings"): {
        "person": THEIR_PERSON, "kind": "callback", "start": "2099-01-02T10:00:00Z", "contact": "x",
        "request_id": "{request_id}",
    },
    ("POST", f"{BASE}/availability"): {
        "person": THEIR_PERSON, "kind": "interview", "start": "2099-03-02T10:00:00Z",
        "end": "2099-03-02T12:00:00Z",
    },
    **walk_sales.BODIES,
}  # fmt: skip

# One row of each table that has owners, as the database's owner makes it.
THINGS = {
    "message_id": """
        INSERT INTO crm.request_message (id, request_id, direction, channel, author, body, created_at)
        VALUES (crm.new_id(), %(request_id)s, 'internal', 'api', 'x', %(secret)s, now()) RETURNING id""",
    "booking_id": """
        INSERT INTO crm.booking (id, person, kind, during, contact, request_id, created_at)
        VALUES (crm.new_id(), %(person)s, 'callback', tstzrange(now(), now() + '1 us'), %(secret)s,
                %(request_id)s, now()) RETURNING id""",
    "call_id": """
        INSERT INTO crm.call (id, direction, phone, operator, request_id, customer_id, started_at, recording,
                              personal_data_changed, external_id)
        VALUES (crm.new_id(), 'in', %(secret)s, %(person)s, %(request_id)s, %(customer_id)s, now(),
                %(secret)s, false, %(call_external_id)s) RETURNING id""",
    "notification_id": """
        INSERT INTO crm.notification (id, recipient, kind, importance, request_id, created_at)
        VALUES (crm.new_id(), %(person)s, 'assigned', 'info', %(request_id)s, now()) RETURNING id""",
    "import_id": """
        WITH job AS (
            INSERT INTO crm.import_job (id, principal, key, format, created_at, received_at)
            VALUES (crm.new_id(), %(person)s, %(call_external_id)s, 'csv', now(), now()) RETURNING id
        ), progress AS (
            INSERT INTO crm.import_progress (job_id, loaded_at) SELECT id, now() FROM job
        ), rejection AS (
            INSERT INTO crm.import_rejection (job_id, row, line, errors)
            SELECT id, 1, %(secret)s, '[]' FROM job
        ) SELECT id FROM job""",
    "merge_id": """
        INSERT INTO crm.customer_merge (id, source_id, target_id, reason, actor, at, fields, contacts, rows)
        VALUES (crm.new_id(), %(customer_id)s, %(customer_id)s, %(secret)s, %(person)s, now(),
                '{}', '[]', '{}') RETURNING id""",
    "representative_id": """
        INSERT INTO crm.representative (id, customer_id, name, topics)
        VALUES (crm.new_id(), %(customer_id)s, %(secret)s, '{}') RETURNING id""",
    "identification_id": """
        INSERT INTO crm.identification (id, topic, outcome, customer_id, level, levels, confirmed, wrong,
                                        needed, may_tell, at, actor, valid_until)
        VALUES (crm.new_id(), 'cards', 'identified', %(customer_id)s, 2, 2, '{}', '{}',
                '{}', '{customer}', now(), %(person)s, now() + interval '1 hour') RETURNING id""",
    "entry_id": """
        WITH account AS (
            INSERT INTO crm.ledger_account (id, owner, purpose)
            VALUES (crm.new_id(), %(customer_id)s, 'points') RETURNING id
        ), entry AS (
            INSERT INTO crm.ledger_entry (id, kind, reference, occurred_at, actor, note, postings)
            VALUES (crm.new_id(), 'correction', %(call_external_id)s, now(), %(person)s, %(secret)s, 2)
            RETURNING id
        ), postings AS (
            INSERT INTO crm.ledger_posting (entry_id, line, account_id, amount)
            SELECT e.id, 1, a.id, 1000 FROM entry e, account a
            UNION ALL SELECT e.id, 2, l.id, -1000 FROM entry e, crm.ledger_account l
                      WHERE l.purpose = 'corrected'
        ) SELECT id FROM entry""",
    "purchase_id": """
        INSERT INTO crm.card_transaction_detail (processing_id, card_token, station, product, quantity,
                                                 amount, currency, occurred_at, received_at)
        VALUES (%(call_external_id)s, %(token)s, %(secret)s, 'AI-95', 1, 1, 'RUB', '2026-01-02T03:04:05Z',
                now()) RETURNING processing_id""",
    "attachment_id": """
        INSERT INTO crm.attachment (id, request_id, name, media_type, size, sha256, actor, created_at,
                                    content)
        VALUES (crm.new_id(), %(request_id)s, 'x.txt', 'text/plain', length(%(secret)s),
                sha256(%(secret)s::bytea), 'x', now(), %(secret)s::bytea) RETURNING id""",
    "first_day": """
        WITH half AS (
            INSERT INTO crm.half_month (first_day, last_day, made_at)
            VALUES ('2026-01-01', '2026-01-15', now())
            ON CONFLICT (first_day) DO UPDATE SET made_at = now() RETURNING first_day
        ), topic AS (
            INSERT INTO crm.half_month_topic (first_day, topic, labels, requests)
            SELECT first_day, %(secret)s, ARRAY['request:unit=' || %(unit)s], 1 FROM half
            ON CONFLICT DO NOTHING
        ) SELECT first_day FROM half""",
    **walk_sales.THINGS,
}
STATE = """
SELECT (SELECT row(c.*)::text FROM crm.customer c WHERE c.id = %(customer_id)s),
       (SELECT row(r.*)::text FROM crm.request r WHERE r.id = %(request_id)s),
       (SELECT row(f.*)::text FROM crm.card f WHERE f.id = %(card_id)s),
       (SELECT row(b.*)::text FROM crm.booking b WHERE b.id = %(booking_id)s),
       (SELECT row(c.*)::text FROM crm.call c WHERE c.id = %(call_id)s),
       (SELECT row(n.*)::text FROM crm.notification n WHERE n.id = %(notification_id)s),
       (SELECT row(j.*)::text FROM crm.import_job j WHERE j.id = %(import_id)s),
       (SELECT row(m.*)::text FROM crm.customer_merge m WHERE m.id = %(merge_id)s),
       (SELECT row(p.*)::text FROM crm.representative p WHERE p.id = %(representative_id)s),
       (SELECT row(l.*)::text FROM crm.ledger_account l WHERE l.owner = %(customer_id)s),
       (SELECT count(*) FROM crm.ledger_entry e WHERE e.reverses = %(entry_id)s),
       (SELECT count(*) FROM crm.request_message m WHERE m.request_id = %(request_id)s),
       (SELECT count(*) FROM crm.request r WHERE r.customer_id = %(customer_id)s),
       (SELECT count(*) FROM crm.booking b WHERE b.person = %(person)s),
       (SELECT count(*) FROM crm.availability a WHERE a.person = %(person)s)
"""


@pytest.fixture
async def closed(crm, start_api):
    """Nobody gets in without acting as somebody."""
    secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    settings = {"authentication": "required", "access_secret": secret, "card_keys": f"1:{secret}"}
    async with start_api(crm.url(), **settings) as api:
        yield api


@pytest.fixture
async def theirs(closed, company, admin, number):
    admin.execute(
        "INSERT INTO crm.unit (code, active, title) VALUES (%s, true, '{}') ON CONFLICT DO NOTHING",
        (THEIR_UNIT,),
    )
    admin.execute(
        "INSERT INTO crm.person (code, active, name, unit, skills, lines, regions, capacity, present)"
        " VALUES (%s, true, 'x', %s, '{}', '{}', '{}', 1, false) ON CONFLICT DO NOTHING",
        (THEIR_PERSON, THEIR_UNIT),
    )
    owner = Principal(THEIR_PERSON, frozenset({Role.SALES_MANAGER}), (THEIR_UNIT,), ("99",), "walked-partner")
    with acting_as(access_of(owner)):
        card = (await closed.post(f"{BASE}/customers", company())).json()
        form = {
            "customer_id": card["id"],
            "channel": "api",
            "topic": "cards",
            "subject": "x",
            "text": SECRET_TEXT,
        }
        request = (await closed.post(f"{BASE}/requests", form)).json()
        issued = {"number": card_number(number), "customer_id": card["id"]}
        fuel_card = (await closed.post(f"{BASE}/cards", issued)).json()
    known = {
        "card_id": fuel_card["id"],
        "token": fuel_card["token"],
        "customer_id": card["id"],
        "request_id": request["id"],
        "name": quote(card["name"]),
        "person": THEIR_PERSON,
        "unit": THEIR_UNIT,
        "peer": THEIR_PERSON,
        "call_external_id": f"call-{number}",
        "system": "walked-system",
        "reference": f"reference-{number}",
        "secret": SECRET_TEXT,
    }
    admin.execute(
        "UPDATE crm.request SET unit = %s, assignee = %s, external_system = %s, external_reference = %s"
        " WHERE id = %s",
        (THEIR_UNIT, THEIR_PERSON, known["system"], known["reference"], request["id"]),
    )
    for name, statement in THINGS.items():
        known[name] = str(admin.execute(statement, known).fetchone()[0])
    hidden = {name for name in known if name.endswith("_id")} - walk_sales.FOR_EVERYBODY
    ids = tuple(known[name] for name in sorted(hidden))
    return Theirs(known, (*ids, card["name"], fuel_card["token"], SECRET_TEXT))


def state(admin, theirs):
    return [admin.execute(each, theirs.parameters).fetchone() for each in (STATE, walk_sales.STATE)]


def card_number(number):
    digits = f"700602{number:012}"
    return digits + luhn.calc_check_digit(digits)


def reaches_all(role, wanted):
    """Then there is nobody else's. A report's figures are those of the requests, or cards, in reach."""
    counted = {Resource.REPORT: Resource.REQUEST, Resource.TURNOVER: Resource.CARD}
    resource = counted.get(wanted.resource, wanted.resource)
    return any(
        rule.role is role
        and rule.resource is resource
        and rule.reach is Reach.ALL
        and wanted.action in rule.actions
        for rule in TABLE
    )


async def leaks(api, role, theirs):
    """Operations that are not refused without a rule, or tell what is theirs."""
    nobodys = "00000000-0000-0000-0000-000000000001"
    access = access_of(Principal("me", frozenset({role}), ("my-unit",), ("11",), "my-partner", nobodys))
    found = []
    for method, path in OPERATIONS:
        wanted = need(method, path)
        if access.allows(wanted) and reaches_all(role, wanted):
            continue
        address = theirs.address(path)
        headers = {"Idempotency-Key": f"{role}-{theirs.parameters['customer_id']}", "If-Match": "*"}
        with acting_as(access):
            answer = await api.http.request(method, address, json=theirs.body(method, path), headers=headers)
        told = answer.text.replace(address.partition("?")[0], "")  # a problem names what was asked for
        untold = (*theirs.untold, THEIR_UNIT) if path.endswith("/reports/service") else theirs.untold
        wrong = answer.status_code >= 500 or any(secret in told for secret in untold)
        if wrong or (not access.allows(wanted) and answer.status_code != 403):
            found.append((method, path, answer.status_code))
    return found


@pytest.mark.parametrize("role", list(Role))
async def test_no_role_reaches_what_is_not_its_own(closed, theirs, admin, role):
    """role x operation x owner: without a rule 403; with one for another zone, nothing is seen or changed."""
    before = state(admin, theirs)
    assert await leaks(closed, role, theirs) == []
    assert state(admin, theirs) == before


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.CHANNEL])
async def test_no_read_shows_unmasked_what_is_masked(closed, company, admin, theirs, role):
    """The card of the walk, to which everything hangs, gets requisites and people of its own."""
    personal = ("Неузнаваемый", "5557788", "ул. Скрытая", "доверенность 9081", "https://pbx.example/secret")
    card = theirs.parameters["customer_id"]
    form = company()
    admin.execute(
        "UPDATE crm.customer SET inn = %s, kpp = NULL, ogrn = %s, address = %s WHERE id = %s",
        (form["inn"], form["ogrn"], "Тула, ул. Скрытая, 1", card),
    )
    admin.execute(
        "INSERT INTO crm.contact (id, customer_id, position, kind, value, person)"
        " VALUES (crm.new_id(), %s, 99, 'phone', '+74955557788', 'Неузнаваемый Пётр')",
        (card,),
    )
    admin.execute(
        "UPDATE crm.representative SET name = 'Неузнаваемый', phone = '+74955557788',"
        " document = 'доверенность 9081' WHERE customer_id = %s",
        (card,),
    )
    admin.execute(
        "UPDATE crm.call SET phone = '+74955557788', recording = 'https://pbx.example/secret'"
        " WHERE customer_id = %s",
        (card,),
    )
    admin.execute(
        "UPDATE crm.sales_order SET vehicle = %s WHERE customer_id = %s",
        ('{"driver": "Неузнаваемый", "driver_document": "доверенность 9081"}', card),
    )
    access = access_of(Principal("me", frozenset({role})))
    shown = {}
    for method, path in OPERATIONS:
        if access.allows(need(method, path)) and need(method, path).action is Action.READ:
            with acting_as(access):
                answer = await closed.http.request(
                    method, theirs.address(path), json=theirs.body(method, path)
                )
            shown[path] = answer.text
    assert card in shown[f"{BASE}/customers/{{customer_id}}"], "it is shown, masked"
    secrets = (*personal, form["inn"], form["ogrn"])
    assert {path for path, text in shown.items() if any(secret in text for secret in secrets)} == set()


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("call", "calls/{call_id}"),
        ("sales_order", "orders/{record_id}"),
        ("record_event", "orders/{record_id}/history"),
        ("card", "turnover"),
        ("claim_document", "claims/{record_id}/documents/{document_id}"),
    ],
)
async def test_the_walk_finds_a_table_that_lost_its_policies(closed, theirs, admin, table, path):
    admin.execute(f"ALTER TABLE crm.{table} DISABLE ROW LEVEL SECURITY")
    try:
        assert ("GET", f"{BASE}/{path}", 200) in await leaks(closed, Role.SALES_MANAGER, theirs)
    finally:
        admin.execute(f"ALTER TABLE crm.{table} ENABLE ROW LEVEL SECURITY")


async def test_nothing_opens_without_proof(closed):
    for method, path in OPERATIONS:
        answer = await closed.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)


def test_every_parameter_of_a_path_is_somebody_elses_thing():
    named = {name for _, path in OPERATIONS for name in re.findall(r"{(\w+)}", path)}
    made = {"customer_id", "request_id", "card_id", "system", "reference", "peer", "record_id", *THINGS}
    without_owner = {"code", "channel", "day", "processing_id", "webhook_id"}
    assert named - made - without_owner == set(), "add a row of somebody else's to THINGS and STATE"
    records = {path.split("/")[3] for _, path in OPERATIONS if "{record_id}" in path}
    assert records == set(walk_sales.RECORDS)
