"""Fuel cards through the HTTP API (K1): "управлять лимитами по картам", "вопросы замены карт"."""

from __future__ import annotations

import asyncio
import base64
import os
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from stdnum import luhn
from typer.testing import CliRunner

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.cli import app as commands
from app.devserver import create_crm_database

CARDS, CUSTOMERS, FEED = "/api/v1/cards", "/api/v1/customers", "/api/v1/card-transactions"


def key(version):
    return f"{version}:{base64.b64encode(os.urandom(32)).decode()}"


KEY_1, KEY_2 = key(1), key(2)


def card_number(number, length=16):
    digits = f"700601{number:0{length - 7}}"[: length - 1]
    return digits + luhn.calc_check_digit(digits)


@pytest.fixture
async def api(crm, start_api):
    async with start_api(crm.url(), crm.url(), card_keys=KEY_1) as api:
        yield api


@pytest.fixture
async def owner(api, company):
    return (await api.post(CUSTOMERS, company())).json()["id"]


async def issued(api, owner, number, **more):
    answer = await api.post(CARDS, {"number": card_number(number), "customer_id": owner, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def allowed(api, card, **changes):
    purchase = {"station": "АЗС-0012", "product": "AI-95", "quantity": "40", "amount": "2400", **changes}
    answer = await api.post(f"{CARDS}/check", {"token": card["token"], **purchase})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_card_is_issued_and_found_by_its_number(api, owner, number):
    card = await issued(api, owner, number, contract="Д-17/2026", limits={"daily_quantity": "100"})
    assert (card["bin"], card["last_four"]) == ("700601", card_number(number)[-4:])
    assert card["token"].startswith("tok_")
    for written in (card_number(number), " ".join([card_number(number)[:4], card_number(number)[4:]])):
        found = await api.post(f"{CARDS}/search", {"number": written})
        assert [item["id"] for item in found.json()["items"]] == [card["id"]]
    other = await api.post(f"{CARDS}/search", {"number": card_number(number + 1)})
    assert other.json() == {"items": []}
    shown = (await api.get(f"{CARDS}/{card['id']}")).json()
    assert shown["card"]["limits"]["daily_quantity"] == "100.000"
    assert [event["kind"] for event in shown["history"]] == ["issued"]
    listed = (await api.get(f"{CARDS}?customer_id={owner}")).json()["items"]
    assert [item["id"] for item in listed] == [card["id"]]


async def test_a_number_has_one_card(api, owner, number):
    first = await issued(api, owner, number)
    again = await api.post(CARDS, {"number": card_number(number), "customer_id": owner})
    assert (again.status_code, again.json()["code"]) == (409, "already-exists")
    assert again.json()["existing"] == f"{CARDS}/{first['id']}"
    at_once = [
        api.post(CARDS, {"number": card_number(number + 1, 17), "customer_id": owner}) for _ in range(4)
    ]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*at_once))
    assert statuses == [201, 409, 409, 409]


async def test_a_wrong_number_is_named_but_not_repeated(api, owner):
    for wrong in ("7006010000000000001", "70060100000", "карта"):
        answer = await api.post(CARDS, {"number": wrong, "customer_id": owner})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/number"
        assert wrong not in answer.text


async def test_a_card_needs_a_customer(api, number):
    nobody = "00000000-0000-7000-8000-000000000000"
    answer = await api.post(CARDS, {"number": card_number(number), "customer_id": nobody})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-customer")


async def test_blocking_holds_at_once_and_is_idempotent(api, owner, number):
    card = await issued(api, owner, number)
    assert await allowed(api, card) == {"allowed": True, "refusal": None}
    for _ in range(2):  # under keys of their own
        blocked = await api.post(f"{CARDS}/{card['id']}/block", {"reason": "украдена"})
        assert (blocked.status_code, blocked.json()["status"], blocked.json()["version"]) == (
            200,
            "blocked",
            2,
        )
        assert await allowed(api, card) == {"allowed": False, "refusal": "card-blocked"}
    back = await api.post(f"{CARDS}/{card['id']}/unblock", {"reason": "нашлась"})
    assert (back.json()["status"], back.json()["version"]) == ("active", 3)
    assert (await allowed(api, card))["allowed"]
    history = (await api.get(f"{CARDS}/{card['id']}")).json()["history"]
    assert [(event["kind"], event["reason"]) for event in history] == [
        ("issued", None),
        ("blocked", "украдена"),
        ("unblocked", "нашлась"),
    ]


async def test_of_many_blocks_at_once_one_is_written_down(api, owner, number):
    card = await issued(api, owner, number)
    blocks = [api.post(f"{CARDS}/{card['id']}/block", {"reason": f"{n}"}) for n in range(5)]
    answers = [answer.json() for answer in await asyncio.gather(*blocks)]
    assert {(answer["status"], answer["version"]) for answer in answers} == {("blocked", 2)}


async def test_limits_are_kept_beside_what_was_bought(api, owner, number):
    card = await issued(api, owner, number)
    limits = {"daily_quantity": "100", "monthly_amount": "9000", "products": ["AI-95", "DT"]}
    address = f"{CARDS}/{card['id']}/limits"
    stale = await api.http.put(address, json=limits, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = await api.http.put(address, json=limits, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (await allowed(api, card, product="AI-98"))["refusal"] == "product-not-allowed"
    moment = datetime.now(UTC)
    for days, litres in ((0, "61"), (40, "500")):
        bought = {
            "processing_id": f"limit:{number}:{days}",
            "card_token": card["token"],
            "station": "АЗС-0012",
            "product": "AI-95",
            "quantity": litres,
            "amount": "3660",
            "currency": "RUB",
            "occurred_at": (moment - timedelta(days=days)).isoformat(),
        }
        assert (await api.post(FEED, bought)).status_code == 201
    assert (await allowed(api, card, quantity="39"))["allowed"]
    assert (await allowed(api, card, quantity="39.001"))["refusal"] == "daily-quantity-exceeded"
    assert (await allowed(api, card, quantity="1", amount="5341"))["refusal"] == "monthly-amount-exceeded"


async def test_a_lost_card_is_replaced_by_one_of_the_same_owner_and_limits(api, owner, number):
    old = await issued(api, owner, number, limits={"stations": ["АЗС-0012"]})
    form = {"number": card_number(number, 18), "reason": "утеряна"}
    answer = await api.post(f"{CARDS}/{old['id']}/replace", form)
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (new["replaces"], new["customer_id"], new["limits"]) == (old["id"], owner, old["limits"])
    assert new["token"] != old["token"]
    assert (await allowed(api, old))["refusal"] == "card-replaced"
    assert (await allowed(api, new))["allowed"]
    for call in ("unblock", "block"):
        again = await api.post(f"{CARDS}/{old['id']}/{call}", {"reason": "x"})
        assert (again.status_code, again.json()["state"]) == (409, "replaced")


async def test_a_cards_transactions_are_read_page_by_page(api, owner, number):
    card = await issued(api, owner, number)
    rows = [
        {
            "processing_id": f"page:{number}:{n}",
            "card_token": card["token"],
            "station": "АЗС-0012",
            "product": "AI-95",
            "quantity": "1",
            "amount": "60",
            "currency": "RUB",
            "occurred_at": f"2026-0{1 + n % 3}-02T03:04:05Z",  # several of the same moment, in three months
        }
        for n in range(10)
    ]
    await api.post(f"{FEED}/batch", {"transactions": rows})
    seen = []
    address = (
        f"{CARDS}/{card['id']}/transactions?since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z&limit=3"
    )
    while address:
        page = (await api.get(address)).json()
        seen += [(item["occurred_at"], item["processing_id"]) for item in page["items"]]
        address = page["next"]
    assert seen == sorted(seen, reverse=True)
    assert {id_ for _, id_ in seen} == {
        row["processing_id"] for row in rows if "-03-" not in row["occurred_at"]
    }
    wrong = await api.get(
        f"{CARDS}/{card['id']}/transactions?since=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z&cursor=AAAA"
    )
    assert wrong.json()["code"] == "cursor-invalid"


async def test_a_card_is_seen_by_those_who_see_its_owner(api, company, number):
    manager = Principal("cards-manager", frozenset({Held.SALES_MANAGER}), ("north",))
    stranger = Principal("cards-stranger", frozenset({Held.SALES_MANAGER}), ("south",))
    with acting_as(access_of(manager)):
        owner = (await api.post(CUSTOMERS, company())).json()["id"]
        card = await issued(api, owner, number)
    me = Principal("portal", frozenset({Held.CUSTOMER}), customer=owner)
    sold = {
        "processing_id": f"seen:{number}",
        "card_token": card["token"],
        "station": "АЗС-0012",
        "product": "AI-95",
        "quantity": "1",
        "amount": "60",
        "currency": "RUB",
        "occurred_at": "2026-01-02T03:04:05Z",
    }
    await api.post(FEED, sold)
    period = "since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z"
    for who, sees in ((manager, True), (me, True), (stranger, False)):
        with acting_as(access_of(who)):
            assert ((await api.get(f"{CARDS}/{card['id']}")).status_code == 200) is sees
            found = (await api.post(f"{CARDS}/search", {"number": card_number(number)})).json()["items"]
            assert bool(found) is sees
            bought = await api.get(f"{CARDS}/{card['id']}/transactions?{period}")
            assert bought.status_code == (200 if sees else 404)
            assert bool(bought.json().get("items")) is sees
            blocked = await api.post(f"{CARDS}/{card['id']}/block", {"reason": "x"})
            assert (blocked.status_code == 200) is sees
    with acting_as(access_of(stranger)):
        mine = await api.post(CARDS, {"number": card_number(number, 17), "customer_id": owner})
        assert mine.json()["code"] == "unknown-customer"
        again = await api.post(CARDS, {"number": card_number(number), "customer_id": owner})
        assert "existing" not in again.json()


async def test_a_repetition_is_recognised_and_another_number_under_the_key_refused(api, owner, number):
    body = {"number": card_number(number), "customer_id": owner}
    first = await api.post(CARDS, body, key=f"issue-{number}")
    again = await api.post(CARDS, body, key=f"issue-{number}")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    other = await api.post(CARDS, {**body, "number": card_number(number, 17)}, key=f"issue-{number}")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_without_keys_numbers_are_refused_and_everything_else_goes_on(
    crm, start_api, api, owner, number
):
    card = await issued(api, owner, number)
    async with start_api(crm.url()) as without:
        answer = await without.post(CARDS, {"number": card_number(number, 17), "customer_id": owner})
        assert (answer.status_code, answer.json()["code"]) == (503, "cards-not-configured")
        assert (await without.post(f"{CARDS}/{card['id']}/block", {"reason": "x"})).status_code == 200


async def test_keys_change_while_both_versions_are_valid(
    postgres_server, start_api, company, number, monkeypatch
):
    database = create_crm_database(postgres_server, f"rekey{number}")

    def run(keys, *arguments):
        monkeypatch.setenv("CRM_DATABASE_URL", database.url())
        monkeypatch.setenv("CRM_CARD_KEYS", keys)
        return CliRunner().invoke(commands, ["cards", *arguments])

    async with (
        start_api(database.url(), card_keys=KEY_1) as before,
        start_api(database.url(), card_keys=f"{KEY_1},{KEY_2}") as prepared,
        start_api(database.url(), card_keys=f"{KEY_2},{KEY_1}") as changed,
        start_api(database.url(), card_keys=KEY_2) as after,
    ):
        owner = (await before.post(CUSTOMERS, company())).json()["id"]
        cards = [
            await issued(host, owner, number + place)
            for place, host in enumerate((before, prepared, changed))
        ]
        for host in (prepared, changed):  # whatever version a host writes with, the number is taken
            for place in range(3):
                body = {"number": card_number(number + place), "customer_id": owner}
                assert (await host.post(CARDS, body)).status_code == 409
        early = run(KEY_2, "rekey", "--retire")
        assert early.exit_code == 1
        assert "is not configured" in early.stderr
        done = run(f"{KEY_2},{KEY_1}", "rekey")
        assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "all cards are sealed under version 2")
        assert run(KEY_2, "rekey", "--retire").stdout.splitlines()[0] == "3 old hashes removed"
        for place, card in enumerate(cards):
            found = await after.post(f"{CARDS}/search", {"number": card_number(number + place)})
            assert [item["id"] for item in found.json()["items"]] == [card["id"]]
    with psycopg.connect(database.admin_url) as connection:
        left = connection.execute(
            "SELECT DISTINCT c.key_version, l.key_version"
            " FROM crm.card c JOIN crm.card_lookup l ON l.card_id = c.id"
        ).fetchall()
    assert left == [(2, 2)]
