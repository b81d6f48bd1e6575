"""Duplicates through the HTTP API: offered with a score, merged into one card, and taken apart again (C3)."""

from __future__ import annotations

import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.customers.references import REFERENCES, Way

CUSTOMERS, REQUESTS, CALLS = "/api/v1/customers", "/api/v1/requests", "/api/v1/calls"


def letters(number):
    """A word that no other test's names have."""
    return "".join("абвгдежзик"[int(digit)] for digit in str(number))


@pytest.fixture
def phone(number):
    return f"+7915{number % 10_000_000:07}"


async def _make(api, body):
    answer = await api.post(CUSTOMERS, body)
    assert answer.status_code == 201, answer.text
    return answer


async def _merge(api, target, source, **changes):
    return await api.post(
        f"{CUSTOMERS}/{target['id']}/merges", {"source_id": source["id"], "reason": "Дубль", **changes}
    )


async def _register(api, card):
    """A request of the card's customer; its id."""
    form = {"customer_id": card["id"], "channel": "call", "topic": "cards", "subject": "Карта", "text": "?"}
    answer = await api.post(REQUESTS, form)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def _get(api, card):
    return (await api.get(f"{CUSTOMERS}/{card['id']}")).json()


async def test_likely_duplicates_are_offered_with_a_score_before_and_at_registration(api, number, phone):
    word = letters(number)
    first = {
        "kind": "company",
        "name": f"ООО «Ромашка {word}»",
        "address": "117420, г.Москва, улица Намёткина, дом 14",
        "contacts": [{"kind": "phone", "value": phone}],
    }
    card = (await _make(api, first)).json()
    assert card["address"] == "117420, г Москва, ул Намёткина, д 14"
    assert card["given"]["address"] == first["address"]
    again = {"kind": "company", "name": f"Рамашка, {word}", "address": "Москва, ул. Наметкина 14"}
    checked = (await api.http.post(f"{CUSTOMERS}/check", json=again)).json()
    assert checked["existing"] is None
    offered = checked["items"][0]
    assert offered["customer"]["id"] == card["id"]
    assert 0.6 < offered["likeness"]["score"] < 1
    assert offered["likeness"]["address"] == 1
    assert offered["likeness"]["phone"] is False
    by_phone = {"kind": "company", "name": f"{word} Ромашка", "contacts": first["contacts"]}
    made = await _make(api, by_phone)
    assert made.headers["Twinsite-Likely-Duplicates"] == "1"
    assert made.headers["Link"] == f'<{made.headers["Location"]}/duplicates>; rel="duplicates"'
    listed = (await api.get(f"{made.headers['Location']}/duplicates")).json()
    assert [item["customer"]["id"] for item in listed["items"]] == [card["id"]]
    assert listed["items"][0]["likeness"]["phone"] is True


async def test_a_stranger_of_like_name_is_not_offered(api, number):
    word = letters(number)
    await _make(api, {"kind": "company", "name": f"Ромашка {word}"})
    made = await _make(api, {"kind": "company", "name": f"Василёк {word}"})
    assert made.headers["Twinsite-Likely-Duplicates"] == "0"
    assert "Link" not in made.headers


async def test_one_card_has_all_distinct_contacts_requests_and_calls(api, company, number, phone):
    contacts = [{"kind": "phone", "value": phone}, {"kind": "email", "value": f"a{number}@example.org"}]
    target = (await _make(api, {"kind": "company", "name": "Без реквизитов", "contacts": contacts})).json()
    others = [
        {"kind": "phone", "value": phone},
        {"kind": "email", "value": f"b{number}@example.org", "person": "Анна"},
    ]
    source = (await _make(api, company(contacts=others, stage="lead", external_id=f"e-{number}"))).json()
    request = await _register(api, source)
    call = {
        "external_id": f"call-{number}",
        "direction": "in",
        "phone": phone,
        "customer_id": source["id"],
        "started_at": "2026-01-02T03:04:05Z",
    }
    made_call = (await api.post(CALLS, call)).json()
    merged = await _merge(api, target, source)
    assert merged.status_code == 201, merged.text
    record = merged.json()
    assert record["rows"] == {"crm.request.customer_id": 1, "crm.call.customer_id": 1}
    assert (record["contacts"], record["fields"]) == (1, ["external_id", "inn", "kpp", "ogrn"])
    one = await _get(api, target)
    assert (one["inn"], one["kpp"], one["ogrn"]) == (source["inn"], source["kpp"], source["ogrn"])
    assert [contact["value"] for contact in one["contacts"]] == [
        phone,
        f"a{number}@example.org",
        f"b{number}@example.org",
    ]
    assert (await api.get(f"{REQUESTS}/{request}")).json()["customer_id"] == target["id"]
    assert (await api.get(f"{CALLS}/{made_call['id']}")).json()["customer_id"] == target["id"]
    assert (await api.get(f"{CUSTOMERS}/{target['id']}/merges")).json()["items"] == [record]


async def test_readers_and_writers_of_the_old_id_are_led_to_the_new_card(api, company, number, admin):
    target, source = (await _make(api, company())).json(), (await _make(api, company(kpp="770102001"))).json()
    assert (await _merge(api, target, source)).status_code == 201
    old = await api.get(f"{CUSTOMERS}/{source['id']}")
    assert (old.status_code, old.headers["Location"]) == (308, f"{CUSTOMERS}/{target['id']}")
    assert old.json()["merged_into"] == target["id"]
    changed = await api.http.patch(
        f"{CUSTOMERS}/{source['id']}", json={"name": "x"}, headers={"If-Match": "*"}
    )
    assert (changed.status_code, changed.json()["state"]) == (409, "merged")
    assert changed.json()["existing"] == f"{CUSTOMERS}/{target['id']}"
    request = await _register(api, source)
    assert (await api.get(f"{REQUESTS}/{request}")).json()["customer_id"] == target["id"]
    double = await api.post(CUSTOMERS, company(kpp="770102001"))
    assert (double.status_code, double.json()["existing"]) == (409, f"{CUSTOMERS}/{target['id']}")
    found = (await api.get(f"{CUSTOMERS}/search?q={source['inn']}")).json()["items"]
    assert [item["customer"]["id"] for item in found] == [target["id"]]
    listed = (await api.get(f"{CUSTOMERS}?limit=200")).json()["items"]
    assert source["id"] not in {item["id"] for item in listed}


async def test_undoing_gives_back_exactly_what_moved(api, company, number, phone):
    own = [{"kind": "phone", "value": phone}]
    target = (await _make(api, {"kind": "company", "name": "Цель", "contacts": own, "stage": "lead"})).json()
    source = (
        await _make(api, company(contacts=[*own, {"kind": "email", "value": f"s{number}@example.org"}]))
    ).json()

    moved, kept = await _register(api, source), await _register(api, target)
    record = (await _merge(api, target, source)).json()
    after = await _register(api, target)
    later = {"name": "Новое имя", "address": "Тула"}
    assert (
        await api.http.patch(f"{CUSTOMERS}/{target['id']}", json=later, headers={"If-Match": "*"})
    ).status_code == 200
    undone = await api.post(f"{CUSTOMERS}/{target['id']}/merges/{record['id']}/undo", {})
    assert undone.status_code == 200, undone.text
    assert undone.json()["undone_by"] == "anonymous"
    back, stayed = await _get(api, source), await _get(api, target)
    volatile = {"version", "updated_at"}
    assert {k: v for k, v in back.items() if k not in volatile} == {
        k: v for k, v in source.items() if k not in volatile
    }
    assert {k: v for k, v in stayed.items() if k not in volatile | {"given"}} == {
        **{k: v for k, v in target.items() if k not in volatile | {"given"}},
        **later,
    }
    for id_, owner in ((moved, source), (kept, target), (after, target)):
        assert (await api.get(f"{REQUESTS}/{id_}")).json()["customer_id"] == owner["id"]
    for query, owner in ((source["inn"], source), (f"s{number}@example.org", source)):
        found = (await api.http.get(f"{CUSTOMERS}/search", params={"q": query})).json()["items"]
        assert [item["customer"]["id"] for item in found] == [owner["id"]]
    twice = await api.post(f"{CUSTOMERS}/{target['id']}/merges/{record['id']}/undo", {})
    assert (twice.status_code, twice.json()["state"]) == (409, "undone")


async def test_merges_in_a_row_lead_to_the_last_card_and_come_apart_from_the_end(api, company, number):
    shared = {"kind": "email", "value": f"shared{number}@example.org"}
    a, b, c = [
        (await _make(api, company(kpp=f"77010{n}001", contacts=[shared] if n < 3 else []))).json()
        for n in (1, 2, 3)
    ]
    first = (await _merge(api, b, a)).json()
    second = (await _merge(api, c, b)).json()
    for card in (a, b):
        assert (await api.get(f"{CUSTOMERS}/{card['id']}")).headers["Location"] == f"{CUSTOMERS}/{c['id']}"
    early = await api.post(f"{CUSTOMERS}/{b['id']}/merges/{first['id']}/undo", {})
    assert (early.status_code, early.json()["state"]) == (409, "merged")
    assert (await _merge(api, b, c)).json()["state"] == "merged"
    assert (await api.post(f"{CUSTOMERS}/{c['id']}/merges/{second['id']}/undo", {})).status_code == 200
    assert (await _get(api, c))["contacts"] == []
    assert (await api.get(f"{CUSTOMERS}/{a['id']}")).headers["Location"] == f"{CUSTOMERS}/{b['id']}"
    assert (await api.post(f"{CUSTOMERS}/{b['id']}/merges/{first['id']}/undo", {})).status_code == 200
    assert [(await api.get(f"{CUSTOMERS}/{card['id']}")).status_code for card in (a, b, c)] == [200, 200, 200]


async def test_a_contact_that_two_merged_cards_had_stays_while_one_of_them_is_merged(api, company, number):
    shared = [{"kind": "email", "value": f"shared{number}@example.org"}]
    target = (await _make(api, company())).json()
    a = (await _make(api, company(kpp="770102001", contacts=shared))).json()
    b = (await _make(api, company(kpp="770103001", contacts=shared))).json()
    first = (await _merge(api, target, a)).json()
    second = (await _merge(api, target, b)).json()
    undo = f"{CUSTOMERS}/{target['id']}/merges/{{}}/undo"
    await api.post(undo.format(first["id"]), {})
    assert [contact["value"] for contact in (await _get(api, target))["contacts"]] == [shared[0]["value"]]
    await api.post(undo.format(second["id"]), {})
    assert (await _get(api, target))["contacts"] == []
    assert (await _get(api, b))["contacts"] == [{**shared[0], "person": None}]


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("itself", 422, "validation"),
        ("nobody", 422, "unknown-customer"),
        ("a person", 422, "validation"),
    ],
)
async def test_what_cannot_be_merged_is_refused(api, company, source, status, code):
    target = (await _make(api, company())).json()
    person = (await _make(api, {"kind": "person", "name": "Иван"})).json()
    ids = {"itself": target["id"], "nobody": "0198c0de-0000-7000-8000-000000000000", "a person": person["id"]}
    answer = await _merge(api, target, {"id": ids[source]})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["errors"][0]["pointer"] == "/source_id"


async def test_only_cards_of_the_own_zone_are_merged_but_with_everything_of_theirs(
    api, company, admin, number
):
    north = Principal("head-north", frozenset({Held.HEAD}), ("north",))
    south = Principal("head-south", frozenset({Held.HEAD}), ("south",))
    with acting_as(access_of(north)):
        target = (await _make(api, company())).json()
        source = (await _make(api, company(kpp="770102001"))).json()
    with acting_as(access_of(south)):
        assert (await _merge(api, target, source)).status_code == 404
    admin.execute(
        "INSERT INTO crm.account (id, kind, title, roles, customer, key_hash)"
        " VALUES (%s, 'service', 'x', '{customer}', %s, %s)",
        (f"portal-{number}", source["id"], f"{number}".encode()),
    )
    with acting_as(access_of(north)):
        assert (await _merge(api, target, source)).json()["rows"] == {"crm.account.customer": 1}


def test_no_reference_to_a_customer_is_forgotten(admin):
    """A slice that adds a table of customers adds its line to app/customers/references.py."""
    in_catalogue = admin.execute(
        "SELECT f.conrelid::regclass::text || '.' || a.attname FROM pg_constraint f"
        " JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = ANY (f.conkey)"
        " WHERE f.confrelid = 'crm.customer'::regclass AND f.contype = 'f' AND f.conparentid = 0"
    ).fetchall()
    assert {name for (name,) in in_catalogue} == {reference.name for reference in REFERENCES}


def test_whoever_writes_to_a_merged_card_is_led_on(admin):
    """Rows that move with a merge have the trigger that waits for one under way."""
    guarded = admin.execute(
        "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgfoid = 'crm.follow_merge'::regproc"
    ).fetchall()
    moving = {reference.table for reference in REFERENCES if reference.way is Way.MOVES} - {"crm.customer"}
    assert {name for (name,) in guarded} == moving


def test_every_reference_says_why():
    assert all(reference.reason for reference in REFERENCES)
