"""Customers through the HTTP API: one clean base (C1-C4)."""

from __future__ import annotations

import asyncio

import orjson
import psycopg
import pytest

from app.imports import load_sql
from app.imports.load import load
from app.imports.loader import ACTS_AS
from app.imports.rows import read_rows
from app.imports.schemas import Format
from app.imports.staging import stage

CUSTOMERS = "/api/v1/customers"


async def test_a_company_is_cleansed_and_what_was_given_is_kept(api, company):
    entered = company(
        name='  ООО  «Ромашка""  (Москва ',
        contacts=[
            {"kind": "phone", "value": "8 (495) 123-45-67", "person": "Иванов  Иван"},
            {"kind": "email", "value": "Info@Romashka.RU"},
            {"kind": "phone", "value": "+7 495 1234567"},
        ],
    )
    made = await api.post(CUSTOMERS, entered)
    assert made.status_code == 201, made.text
    card = made.json()
    assert card["name"] == 'ООО "Ромашка" Москва'
    assert card["contacts"] == [
        {"kind": "phone", "value": "+74951234567", "person": "Иванов Иван"},
        {"kind": "email", "value": "info@romashka.ru", "person": None},
    ]
    assert card["given"]["name"] == entered["name"]
    assert card["given"]["contacts/0/value"] == "8 (495) 123-45-67"
    read = await api.get(made.headers["Location"])
    assert read.json() == card
    assert read.headers["ETag"] == made.headers["ETag"] == '"1"'


async def test_every_wrong_field_is_named(api):
    answer = await api.post(
        CUSTOMERS,
        {
            "kind": "company",
            "name": "«»",
            "inn": "7707083894",
            "kpp": "12",
            "ogrn": "1027700132196",
            "contacts": [{"kind": "phone", "value": "12"}, {"kind": "email", "value": "nobody"}],
        },
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "validation"
    assert {(error["pointer"], error["code"]) for error in problem["errors"]} == {
        ("/name", "empty"),
        ("/inn", "inn-checksum"),
        ("/kpp", "kpp-format"),
        ("/ogrn", "ogrn-checksum"),
        ("/contacts/0/value", "phone-format"),
        ("/contacts/1/value", "email-format"),
    }


@pytest.mark.parametrize(
    ("changes", "is_duplicate"),
    [
        ({}, True),
        ({"ogrn": None}, True),
        ({"kpp": "770102001"}, False),  # a branch: same INN and OGRN, its own KPP
        ({"inn": "7707083893", "kpp": "770103001"}, True),  # the OGRN under another INN
    ],
)
async def test_a_duplicate_is_refused_with_the_way_to_the_card(api, company, changes, is_duplicate):
    first = await api.post(CUSTOMERS, company())
    second = company(name="Другое имя", **changes)
    checked = await api.http.post(f"{CUSTOMERS}/check", json=second)
    answer = await api.post(CUSTOMERS, second)
    if is_duplicate:
        assert answer.status_code == 409
        assert answer.json()["code"] == "duplicate-customer"
        assert answer.json()["existing"] == checked.json()["existing"] == first.headers["Location"]
    else:
        assert answer.status_code == 201, answer.text
        assert checked.json() == {"existing": None, "items": []}


async def test_concurrent_doubles_make_one_card(api, company):
    answers = await asyncio.gather(*(api.post(CUSTOMERS, company()) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_any_identifier_finds_the_card(api, company, number):
    marker = f"run-1:operator:{number}"
    phone = f"+7912{number % 10_000_000:07}"
    contacts = [{"kind": "phone", "value": phone}, {"kind": "email", "value": f"u{number}@example.org"}]
    entered = company(name=f"АО Нефтебаза{number} Северная", external_id=marker, contacts=contacts)
    card = (await api.post(CUSTOMERS, entered)).json()
    queries = {
        entered["inn"]: "inn",
        entered["ogrn"]: "ogrn",
        phone.replace("+7", "8"): "phone",
        f"U{number}@Example.org": "email",
        marker: "external_id",
        f"нефтебаза{number}": "name",
        f"Нефтибаза{number} севернае": "name",  # two typing errors
    }
    for query, matched in queries.items():
        answer = await api.http.get(f"{CUSTOMERS}/search", params={"q": query})
        assert answer.status_code == 200, answer.text
        best = answer.json()["items"][0]
        assert (best["customer"]["id"], best["matched"]) == (card["id"], matched), query


async def test_a_change_needs_the_version_it_was_made_from(api, company):
    made = await api.post(CUSTOMERS, company(contacts=[{"kind": "email", "value": "A@b.ru"}]))
    address = made.headers["Location"]
    missing = await api.http.patch(address, json={"name": "Новое"})
    assert (missing.status_code, missing.json()["code"]) == (428, "if-match-missing")
    changed = await api.http.patch(address, json={"name": " Новое  имя"}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.headers["ETag"] == '"2"'
    assert changed.json()["name"] == "Новое имя"
    assert changed.json()["inn"] == made.json()["inn"]
    assert changed.json()["given"] == {"name": " Новое  имя", "contacts/0/value": "A@b.ru"}
    late = await api.http.patch(address, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "version-mismatch")
    assert (await api.get(address)).json() == changed.json()
    found = await api.http.get(f"{CUSTOMERS}/search", params={"q": made.json()["name"]})
    assert made.json()["id"] not in [
        item["customer"]["id"] for item in found.json()["items"] if item["score"] == 1
    ]


async def test_a_change_into_another_card_is_a_duplicate(api, company):
    first = await api.post(CUSTOMERS, company())
    branch = await api.post(CUSTOMERS, company(kpp="770102001"))
    answer = await api.http.patch(
        branch.headers["Location"], json={"kpp": "770101001"}, headers={"If-Match": '"1"'}
    )
    assert answer.status_code == 409
    assert answer.json()["existing"] == first.headers["Location"]


async def test_pages_go_through_everything_once(api, company, number):
    marker = f"page:{number}"
    ids = []
    for place in range(5):
        person = {"kind": "person", "name": f"Иван {place}", "external_id": marker}
        ids.append((await api.post(CUSTOMERS, person)).json()["id"])
    address = f"{CUSTOMERS}?external_id={marker}&limit=2"
    seen = []
    while address:
        page = (await api.get(address)).json()
        seen += [item["id"] for item in page["items"]]
        address = page["next"]
    assert seen == ids[::-1]


async def test_a_foreign_cursor_is_refused(api):
    answer = await api.get(f"{CUSTOMERS}?cursor=abc")
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor-invalid")


async def test_an_unknown_card_and_an_unknown_path_are_problems_too(api):
    for path in (f"{CUSTOMERS}/0198c0de-0000-7000-8000-000000000000", "/api/v1/nothing"):
        answer = await api.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not-found"


async def test_a_number_with_one_wrong_digit_still_finds_the_card(api, company, number):
    phone = f"+7918{number % 10_000_000:07}"
    made = (await api.post(CUSTOMERS, company(contacts=[{"kind": "phone", "value": phone}]))).json()
    inn = made["inn"]
    wrong = inn[:4] + str((int(inn[4]) + 1) % 10) + inn[5:]
    exchanged = phone[:5] + "".join(reversed(phone[5:7])) + phone[7:]
    for typed, matched in ((wrong, "inn"), (exchanged, "phone")):
        found = (await api.http.get(f"{CUSTOMERS}/search", params={"q": typed})).json()["items"]
        hits = {item["customer"]["id"]: item for item in found}
        assert hits[made["id"]]["matched"] == matched, typed
        assert hits[made["id"]]["score"] == (1 if typed == phone else 0.9)


async def test_persons_addresses_and_snils_find_the_card_too(api, number):
    digits = f"{number % 10**9:09}"
    check = (
        sum(int(digit) * weight for digit, weight in zip(digits, range(9, 0, -1), strict=True)) % 101 % 100
    )
    person = {
        "kind": "person",
        "name": "Петров Пётр",
        "snils": f"{digits}{check:02}",
        "address": f"г.Тула, ул. Мира, д. {number}",
    }
    card = (await api.post(CUSTOMERS, person)).json()
    assert card["given"]["address"] == person["address"]
    word = "".join("абвгдежзик"[int(digit)] for digit in str(number))
    contacts = [{"kind": "phone", "value": "+74951234567", "person": f"Хранитель {word}"}]
    company = (await api.post(CUSTOMERS, {"kind": "company", "name": "База", "contacts": contacts})).json()
    for query, found in ((person["snils"], card), (f"база {word}", company), (f"хранитиль {word}", company)):
        items = (await api.http.get(f"{CUSTOMERS}/search", params={"q": query})).json()["items"]
        assert found["id"] in [item["customer"]["id"] for item in items], query


async def test_the_search_says_how_old_its_answer_may_be(api, crm, start_api):
    fresh = (await api.get(f"{CUSTOMERS}/search?q=нет&fresh=true")).json()
    assert fresh == {"items": [], "staleness_seconds": 0}
    async with start_api("host=127.0.0.1 port=1", crm.url(), serves="reads") as away:
        answered = await away.get(f"{CUSTOMERS}/search?q=нет")
        refused = await away.get(f"{CUSTOMERS}/search?q=нет&fresh=true")
    assert answered.status_code == 200, "a replica answers while no primary does"
    assert (refused.status_code, refused.json()["code"]) == (503, "no-primary")


async def test_a_partial_load_enriches_an_existing_card(api, company, number, crm):
    card = (await api.post(CUSTOMERS, company(stage="lead"))).json()
    line = {
        **company(),
        "name": "Как угодно",
        "address": "Москва, улица Мира, 1",
        "contacts": [{"kind": "email", "value": f"n{number}@example.org", "person": "Зоя Кротова"}],
    }
    with psycopg.connect(crm.url(), autocommit=True) as connection, connection.transaction():
        connection.execute(load_sql.ACT, ACTS_AS)
        results = list(read_rows([orjson.dumps(line)], 1, Format.NDJSON, None))
        counts, rejected = load(connection, stage(results, registered={}))
    assert (counts.enriched, rejected) == (1, [])
    after = (await api.get(f"{CUSTOMERS}/{card['id']}")).json()
    assert (after["name"], after["stage"], after["address"]) == (
        card["name"],
        "customer",
        "Москва, ул Мира, 1",
    )
    assert after["contacts"] == line["contacts"]
    found = (await api.http.get(f"{CUSTOMERS}/search", params={"q": f"{number} кротова"})).json()["items"]
    assert [item["customer"]["id"] for item in found] == [card["id"]]
