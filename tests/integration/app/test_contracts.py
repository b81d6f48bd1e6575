"""Contracts and the catalogue that they allow, in the words of the seeds (S3, S4)."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of
from app.catalogue.repository import MOST_CONTRACTS
from app.contracts.repository import ENDING
from app.contracts.service import prolong_due
from app.database.answer import Command
from app.database.units import ACT
from tests.integration.app.sales import (
    CATALOGUE,
    CONTRACTS,
    DEALS,
    ORDERS,
    agree,
    asking,
    complete,
    contract,
    day,
    named,
)

ANY = {"If-Match": "*"}  # version


async def test_a_contract_is_concluded_once_changed_prolonged_and_ended(api, customer, number):
    form = contract(customer, number, valid_until="2026-01-31")
    made = await api.post(CONTRACTS, form)
    assert (await api.post(CONTRACTS, form)).json()["code"] == "already-exists"
    address = made.headers["Location"]
    prolonged = await api.post(f"{address}/prolong", {}, **ANY)
    assert prolonged.json()["valid_until"] == "2027-01-31"
    back = await api.post(f"{address}/prolong", {"until": "2026-06-30"}, **ANY)
    assert named(back.json()) == {"/until": "not-later"}
    ended = await api.post(f"{address}/terminate", {"note": "По соглашению сторон"})
    assert ended.json()["status"] == "terminated"
    assert (await api.post(f"{address}/prolong", {}, **ANY)).json()["code"] == "wrong-state"
    wrong = await api.post(CONTRACTS, contract(customer, f"{number}-2", unit="nowhere"))
    assert named(wrong.json()) == {"/unit": "unknown-code"}


async def test_a_contract_comes_from_a_deal_of_the_same_customer(api, customer, company, number):
    deal = (await api.post(DEALS, {"customer_id": customer["id"], "title": "Карты"})).json()
    other = (await api.post("/api/v1/customers", company(kpp="770102001"))).json()
    wrong = await api.post(CONTRACTS, contract(other, number, deal_id=deal["id"]))
    assert named(wrong.json()) == {"/deal_id": "unknown"}
    made = await api.post(CONTRACTS, contract(customer, number, deal_id=deal["id"]))
    assert made.json()["deal_id"] == deal["id"], made.text


async def test_a_lead_with_a_contract_is_a_customer(api, company, number):
    lead = (await api.post("/api/v1/customers", company(stage="lead"))).json()
    await api.post(CONTRACTS, contract(lead, number))
    card = (await api.get(f"/api/v1/customers/{lead['id']}")).json()
    assert (card["stage"], card["version"]) == ("customer", 2)
    await api.post(CONTRACTS, contract(lead, f"{number}-2"))
    assert (await api.get(f"/api/v1/customers/{lead['id']}")).json()["version"] == 2


async def test_what_was_agreed_goes_with_a_card_that_is_merged_and_comes_back(api, company, number):
    target = (await api.post("/api/v1/customers", company())).json()
    source = (await api.post("/api/v1/customers", company(kpp="770102001"))).json()
    made = (await api.post(CONTRACTS, contract(source, number))).json()
    order = (await api.post(ORDERS, {"customer_id": source["id"], "contract_id": made["id"]})).json()
    merge = {"source_id": source["id"], "reason": "Дубль"}
    merged = await api.post(f"/api/v1/customers/{target['id']}/merges", merge)
    assert merged.status_code == 201, merged.text
    for address in (CONTRACTS, ORDERS):
        moved = (await api.get(f"{address}?customer_id={target['id']}")).json()["items"]
        assert [each["id"] for each in moved] == [made["id"] if address == CONTRACTS else order["id"]]
    found = (
        await api.http.get("/api/v1/customers/search", params={"q": made["number"], "fresh": True})
    ).json()
    assert [each["customer"]["id"] for each in found["items"]] == [target["id"]]
    assert len((await api.get(f"{ORDERS}/{order['id']}/history")).json()["items"]) == 1
    undone = await api.post(f"/api/v1/customers/{target['id']}/merges/{merged.json()['id']}/undo", {})
    assert undone.status_code == 200, undone.text
    assert (await api.get(f"{CONTRACTS}/{made['id']}")).json()["customer_id"] == source["id"]


async def test_the_worker_prolongs_what_its_terms_prolong(api, customer, number):
    soon, late = day(10), day(100)
    due = (await api.post(CONTRACTS, contract(customer, f"{number}-a", valid_until=soon))).json()
    later = (await api.post(CONTRACTS, contract(customer, f"{number}-b", valid_until=late))).json()
    await prolong_due(api.database, Command("test", "worker", None, b"", 10))
    assert (await api.get(f"{CONTRACTS}/{due['id']}")).json()["valid_until"] > late
    assert (await api.get(f"{CONTRACTS}/{later['id']}")).json()["valid_until"] == late


async def test_the_unit_of_the_contract_gets_the_customers_requests(api, customer, number):
    """ "Only those whose contracts are assigned to the unit where they work"; another unit takes it over."""
    north, south = f"north-{number}", f"south-{number}"
    for unit in (north, south):
        title = {"ru": unit, "en": unit, "kk": unit}
        assert (await api.post("/api/v1/units", {"code": unit, "title": title})).status_code == 201
    form = {
        "customer_id": customer["id"],
        "channel": "call",
        "topic": "contracts",
        "subject": "?",
        "text": "?",
    }
    made = await api.post(CONTRACTS, contract(customer, number, unit=north))
    assert (await api.post("/api/v1/requests", form)).json()["unit"] == north
    taken = {
        key: value
        for key, value in contract(customer, number, unit=south).items()
        if key not in ("customer_id", "number")
    }
    moved = await api.http.put(made.headers["Location"], json=taken, headers={"If-Match": "*"})
    assert moved.status_code == 200, moved.text
    assert (await api.post("/api/v1/requests", form)).json()["unit"] == south
    await api.post(f"{made.headers['Location']}/terminate", {"note": "Расторгнут"})
    assert (await api.post("/api/v1/requests", form)).json()["unit"] not in (north, south)


async def test_customers_are_found_by_the_numbers_of_their_contracts_and_deals(api, customer, number):
    made = (await api.post(CONTRACTS, contract(customer, f"{number}/ЛК"))).json()
    deal = (await api.post(DEALS, {"customer_id": customer["id"], "title": "Карты"})).json()
    for typed, matched in (
        (made["number"], "contract"),
        (f" д-{number}/лк", "contract"),
        (deal["number"], "deal"),
    ):
        found = (await api.http.get("/api/v1/customers/search", params={"q": typed, "fresh": True})).json()
        assert [(each["customer"]["id"], each["matched"]) for each in found["items"]] == [
            (customer["id"], matched)
        ], typed
    window = (await api.get(f"/api/v1/customers/{customer['id']}/window")).json()
    assert [each["number"] for each in window["contracts"]] == [made["number"]]
    assert [(each["number"], each["state"]) for each in window["deals"]] == [(deal["number"], "contact")]


async def test_the_catalogue_has_only_what_the_contract_allows(api, agreed, goods):
    barrel, _, bulk = goods
    shown = (await api.get(f"{CATALOGUE}?contract_id={agreed['id']}")).json()
    assert [item["product"] for item in shown["items"]] == [barrel, bulk]
    assert shown["items"][0]["offers"][0] | {"contract_id": 0} == {
        "contract_id": 0,
        "contract": agreed["number"],
        "price": "100000.50",
        "currency": "RUB",
    }
    assert {each["value"]: each["count"] for each in shown["facets"]["packaging"]} == {"packed": 1, "bulk": 1}
    packed = (await api.get(f"{CATALOGUE}?contract_id={agreed['id']}&packaging=packed")).json()
    assert [item["product"] for item in packed["items"]] == [barrel]
    assert len(packed["facets"]["packaging"]) == 2, "what else could be chosen in this facet"
    assert [each["value"] for each in packed["facets"]["plant"]] == ["Пермь"]
    first = (await api.get(f"{CATALOGUE}?contract_id={agreed['id']}&limit=1")).json()
    second = (await api.get(first["next"])).json()
    assert ([item["product"] for item in second["items"]], second["next"]) == ([bulk], None)


@pytest.mark.parametrize(
    ("facet", "value", "kept"),
    [
        ("plant", "Волгоград", "bulk"),
        ("kind", "Моторное масло", "barrel"),
        ("line", "Geyser", "bulk"),
        ("standard", "API SN", "barrel"),
        ("viscosity", "5W-40", "barrel"),
        ("container", "Автоцистерна", "bulk"),
        ("packaging", "bulk", "bulk"),
    ],
)
async def test_each_filter_of_the_seed_narrows_the_catalogue(api, agreed, facet, value, kept):
    wanted = {"contract_id": agreed["id"], facet: value}
    answer = await api.http.get(CATALOGUE, params=wanted)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert [item["product"].split("-")[0] for item in shown["items"]] == [kept]
    chosen = {each["value"]: each["count"] for each in shown["facets"][facet]}
    assert chosen[value] == 1
    none = (await api.http.get(CATALOGUE, params={**wanted, facet: "нет такого"})).json()
    assert (none["items"], none["next"]) == ([], None)


async def test_a_buyer_finds_what_its_contracts_in_force_allow_and_orders_nothing_else(
    api, customer, company, agreed, goods
):
    other = (await api.post("/api/v1/customers", company(kpp="770102001"))).json()
    theirs = await agree(api, other, f"{goods[1]}-other", [(goods[1], "1", None)])
    with asking("buyer", Held.CUSTOMER, customer=customer["id"]):
        shown = (await api.get(CATALOGUE)).json()["items"]
        assert [item["product"] for item in shown] == [goods[0], goods[2]]
        assert (await api.get(f"{CATALOGUE}?contract_id={theirs['id']}")).json()["items"] == []
        foreign = await api.post(ORDERS, complete(customer, theirs, goods))
        assert named(foreign.json()) == {"/contract_id": "unknown-contract"}
        assert (await api.get("/api/v1/catalogue-products")).status_code == 403
    await api.post(f"{CONTRACTS}/{agreed['id']}/terminate", {"note": "Расторгнут"})
    with asking("buyer", Held.CUSTOMER, customer=customer["id"]):
        assert (await api.get(CATALOGUE)).json()["items"] == []


async def test_two_clerks_do_not_prolong_a_contract_twice(api, customer, number):
    made = await api.post(CONTRACTS, contract(customer, number, valid_until="2026-01-31"))
    address, seen = f"{made.headers['Location']}/prolong", made.headers["ETag"]
    both = await asyncio.gather(*(api.post(address, {}, None, **{"If-Match": seen}) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [200, 412]
    assert (await api.get(made.headers["Location"])).json()["valid_until"] == "2027-01-31"
    blind = await api.post(address, {})
    assert (blind.status_code, blind.json()["code"]) == (428, "if-match-missing"), blind.text


async def test_the_catalogue_is_asked_for_a_contract_or_a_customer(api, customer, company, agreed, goods):
    mine = asking("ivanov", Held.SALES_MANAGER)
    with mine:
        everything = await api.get(CATALOGUE)
    assert (everything.status_code, named(everything.json())) == (422, {"?contract_id": "required"})
    shown = (await api.get(f"{CATALOGUE}?customer_id={customer['id']}&limit=1")).json()
    assert [item["product"] for item in shown["items"]] == [goods[0]]
    assert [item["product"] for item in (await api.get(shown["next"])).json()["items"]] == [goods[2]]
    other = (await api.post("/api/v1/customers", company(kpp="770102001"))).json()
    assert (await api.get(f"{CATALOGUE}?customer_id={other['id']}")).json()["items"] == []
    with asking("buyer", Held.CUSTOMER, customer=other["id"]):
        theirs = await api.get(f"{CATALOGUE}?customer_id={customer['id']}")
        assert (theirs.json()["items"], theirs.json()["facets"]["plant"]) == ([], [])


async def test_a_catalogue_of_too_many_contracts_is_refused(api, customer, number, admin):
    admin.execute(
        "INSERT INTO crm.contract (id, customer_id, version, created_at, changed_at, number, status, unit,"
        " signed_on, valid_from, payment, deferral_days, currency)"
        " SELECT crm.new_id(), %s, 1, now(), now(), %s || n, 'active', 'contact-centre', '2025-12-01',"
        " '2025-12-01', 'prepaid', 0, 'RUB' FROM generate_series(1, %s) n",
        (customer["id"], f"many-{number}-", MOST_CONTRACTS + 1),
    )
    refused = await api.get(f"{CATALOGUE}?customer_id={customer['id']}")
    assert (refused.status_code, named(refused.json())) == (422, {"?contract_id": "too-many-contracts"})
    admin.execute("UPDATE crm.contract SET status = 'terminated' WHERE number = %s", (f"many-{number}-1",))
    assert (await api.get(f"{CATALOGUE}?customer_id={customer['id']}")).status_code == 200


async def test_the_sweep_of_ending_contracts_reads_only_those_that_are_due(crm, admin, customer, number):
    """Among contracts that nearly all go on by themselves and end within the year, as contracts do."""
    admin.execute(
        "INSERT INTO crm.contract (id, customer_id, version, created_at, changed_at, number, status, unit,"
        " signed_on, valid_from, valid_until, prolongation, payment, deferral_days, currency)"
        " SELECT crm.new_id(), %s, 1, now(), now(), %s || n, 'active', 'contact-centre', '2025-12-01',"
        " '2025-12-01', current_date + 60 + n %% 300, %s, 'prepaid', 0, 'RUB'"
        " FROM generate_series(1, 5000) n",
        (customer["id"], f"sweep-{number}-", '{"automatic": true, "months": 12, "notice_days": 30}'),
    )
    admin.execute("ANALYZE crm.contract")
    worker = access_of(Principal("worker", frozenset({Held.SYSTEM})))
    with psycopg.connect(crm.url()) as connection:
        connection.execute(ACT, worker.parameters)
        rows = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {ENDING}", {"today": day(), "batch": 200}
        ).fetchone()
        connection.rollback()
    admin.execute("DELETE FROM crm.contract WHERE number LIKE %s", (f"sweep-{number}-%",))
    (scan,) = (node for node in nodes(rows[0][0]["Plan"]) if node.get("Relation Name") == "contract")
    assert "Index" in scan["Node Type"], scan
    assert scan.get("Rows Removed by Filter", 0) == 0, "each row looked at is due"


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)
