"""The access matrix by region, distributor, product and contract, for each role of the portal (S7).

That products and contracts limit what a buyer orders is in test_contracts.py.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest

from app.access.policy import Role as Held
from tests.integration.app.sales import (
    CLAIMS,
    CONTRACTS,
    DEALS,
    ORDERS,
    VEHICLE,
    agree,
    asking,
    complete,
    contract,
    enter_goods,
    named,
)

pytestmark = pytest.mark.safety

ELSEWHERE = "00000000-0000-0000-0000-000000000001"


class Who(NamedTuple):
    """A role, by what it is held to the customer, by what to others, and whether it sees deals."""

    role: Held
    within: dict[str, object]
    outside: dict[str, object]
    deals: bool = True


MATRIX = (
    Who(Held.SALES_MANAGER, {"id": "ivanov"}, {"id": "petrova"}),
    Who(Held.SERVICE_MANAGER, {"units": ("north",)}, {"units": ("south",)}),
    Who(Held.HEAD, {"units": ("north",)}, {"units": ("south",)}),
    Who(Held.HEAD, {"regions": ("54",)}, {"regions": ("77",)}),
    Who(Held.PARTNER_MANAGER, {"partner": "distributor"}, {"partner": "rival"}),
    Who(Held.CUSTOMER, {"customer": None}, {"customer": ELSEWHERE}, deals=False),
)


async def step(api, order, name, **form):
    return await api.post(f"{ORDERS}/{order['id']}/{name}", form)


@pytest.fixture
async def records(api, customer, admin, number):
    """One of each for a customer in everybody's zone, as {address: the record}."""
    admin.execute(
        "UPDATE crm.customer SET zone_manager = 'ivanov', zone_unit = 'north', zone_region = '54',"
        " zone_partner = 'distributor' WHERE id = %s",
        (customer["id"],),
    )
    claim = {"kind": "quality", "subject": "Вода в масле", "text": "Партия 17"}
    forms = {
        DEALS: {"title": "Карты"},
        CONTRACTS: contract(customer, number),
        ORDERS: {},
        CLAIMS: claim,
    }
    made = {}
    for address, form in forms.items():
        answer = await api.post(address, {**form, "customer_id": customer["id"]})
        assert answer.status_code == 201, answer.text
        made[address] = answer.json()
    return made


def as_(role, card, held):
    """Whoever is held so; a buyer without a customer of its own is the card's."""
    zone = {"id": "somebody", **held}
    if role is Held.CUSTOMER:
        zone["customer"] = zone["customer"] or card["id"]
    return asking(zone.pop("id"), role, **zone)


@pytest.mark.parametrize("who", MATRIX, ids=lambda who: "-".join((who.role, *who.within)))
async def test_each_role_sees_what_its_zone_reaches_and_nothing_else(api, customer, records, who):
    for address, record in records.items():
        one, listed = f"{address}/{record['id']}", f"{address}?customer_id={customer['id']}"
        with as_(who.role, customer, who.within):
            seen = address != DEALS or who.deals
            assert (await api.get(one)).status_code == (200 if seen else 403), one
            if seen:
                assert [each["id"] for each in (await api.get(listed)).json()["items"]] == [record["id"]]
        with as_(who.role, customer, who.outside):
            assert (await api.get(one)).status_code == (404 if seen else 403), one
            if seen:
                assert (await api.get(listed)).json()["items"] == []
                assert (await api.get(f"{one}/history")).status_code == 404
                assert (await api.get(f"{one}/display")).status_code == 404


@pytest.mark.parametrize("who", MATRIX, ids=lambda who: "-".join((who.role, *who.within)))
async def test_each_role_changes_what_its_zone_reaches_and_nothing_else(api, customer, records, who):
    order = records[ORDERS]
    path, form = f"{ORDERS}/{order['id']}", {"comment": "Изменено"}
    with as_(who.role, customer, who.outside):
        answer = await api.http.put(path, json=form, headers={"If-Match": "*"})
        assert answer.status_code == 404, answer.text
        assert (await step(api, order, "cancel")).status_code == 404
        assert (await api.post(ORDERS, {"customer_id": customer["id"]})).json()["code"] == "unknown-customer"
        assert (await step(api, order, "decision", decision="confirm")).status_code in (403, 404)
    with as_(who.role, customer, who.within):
        answer = await api.http.put(path, json=form, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["version"]) == (200, 2), answer.text
        decided = await step(api, order, "decision", decision="confirm")
        assert decided.status_code == (409 if who.deals else 403), (
            "a draft is not confirmed; a buyer decides nothing"
        )


async def test_each_role_of_the_portal_reaches_its_own_orders(api, company, number):
    with asking("ivanov", Held.SALES_MANAGER):
        mine = (await api.post("/api/v1/customers", company())).json()
        agreed = (await api.post(CONTRACTS, contract(mine, number))).json()
    buyer = asking("buyer", Held.CUSTOMER, customer=mine["id"])
    with buyer:
        assert (await api.get(f"{CONTRACTS}/{agreed['id']}")).status_code == 200
        assert (
            await api.http.put(
                f"{CONTRACTS}/{agreed['id']}/products", json={"products": []}, headers={"If-Match": "*"}
            )
        ).status_code in (403, 404)
        order = (await api.post(ORDERS, {"customer_id": mine["id"], "carrier": "fast"})).json()
        decided = await step(api, order, "decision", decision="confirm")
    assert decided.status_code == 403
    for stranger in (
        asking("other", Held.CUSTOMER, customer="00000000-0000-0000-0000-000000000001"),
        asking("petrova", Held.SALES_MANAGER),
        asking("fast-1", Held.CARRIER, partner="fast"),  # a draft is the buyer's own
    ):
        with stranger:
            assert (await api.get(f"{ORDERS}/{order['id']}")).status_code == 404
            assert (await step(api, order, "cancel")).status_code in (403, 404)
    with asking("ivanov", Held.SALES_MANAGER):
        assert (await api.get(f"{ORDERS}/{order['id']}")).status_code == 200


async def test_a_carrier_sees_what_it_carries_and_names_the_vehicle(api, customer, number):
    goods = await enter_goods(api, number)
    agreed = await agree(api, customer, number, [(goods[0], "100000", None)])
    order = (await api.post(ORDERS, complete(customer, agreed, goods, carrier="fast"))).json()
    await step(api, order, "submit")
    with asking("fast-1", Held.CARRIER, partner="fast"):
        assert (await api.get(f"{ORDERS}/{order['id']}")).json()["status"] == "submitted"
        wrong = await api.http.put(
            f"{ORDERS}/{order['id']}/vehicle", json={"plate": "Я 000 ЯЯ"}, headers={"If-Match": "*"}
        )
        assert named(wrong.json()) == {
            **dict.fromkeys(("/kind", "/driver", "/driver_document"), "required"),
            "/plate": "plate",
        }
        answer = await api.http.put(
            f"{ORDERS}/{order['id']}/vehicle",
            json={**VEHICLE, "plate": "123ABC02"},
            headers={"If-Match": "*"},
        )
        assert (answer.status_code, answer.json()["vehicle"]["plate"]) == (200, "123ABC02"), answer.text
        assert (await api.get(f"/api/v1/customers/{customer['id']}")).status_code in (403, 404)
    with asking("slow-1", Held.CARRIER, partner="slow"):
        assert (await api.get(f"{ORDERS}/{order['id']}")).status_code == 404


@pytest.fixture
async def carried(api, customer, agreed, goods):
    """A submitted order that "fast" is to carry."""
    order = (await api.post(ORDERS, complete(customer, agreed, goods, carrier="fast"))).json()
    submitted = await step(api, order, "submit")
    assert submitted.status_code == 200, submitted.text
    return submitted.json()


async def test_a_carrier_that_buys_too_does_nothing_of_the_buyers_with_what_it_carries(api, company, carried):
    own = (await api.post("/api/v1/customers", company(kpp="770102001"))).json()
    path = f"{ORDERS}/{carried['id']}"
    with asking("both", Held.CUSTOMER, Held.CARRIER, partner="fast", customer=own["id"]):
        assert (await api.get(path)).status_code == 200, "it carries the order"
        for name in ("submit", "cancel", "archive", "restore", "repeat"):
            assert (await step(api, carried, name)).status_code == 404, name
        asked = await step(api, carried, "discount-request", percent="90", reason="Свой")
        assert asked.status_code == 404, asked.text
        filled = await api.http.put(path, json={"comment": "Моё"}, headers={"If-Match": "*"})
        assert filled.status_code == 404, filled.text
        named_ = await api.http.put(f"{path}/vehicle", json=VEHICLE, headers={"If-Match": "*"})
        assert named_.status_code == 200, named_.text
        mine = (await api.post(ORDERS, {"customer_id": own["id"]})).json()
        assert (await step(api, mine, "cancel")).status_code == 200
    steps = (await api.get(f"{path}/history")).json()["items"]
    assert [each["kind"] for each in steps] == ["drafted", "submitted", "vehicle_named"]


async def test_a_step_is_taken_only_as_far_as_the_rule_for_it_reaches(api, customer, carried):
    """Whoever decides for its own zone decides nothing that it merely buys or carries."""
    for asker in (
        asking("fast-1", Held.SALES_MANAGER, Held.CARRIER, partner="fast"),
        asking("ivanov", Held.SALES_MANAGER, Held.CUSTOMER, customer=customer["id"]),
    ):
        with asker:
            assert (await step(api, carried, "decision", decision="confirm")).status_code == 404
    with asking("1c", Held.INTEGRATION):
        assert (await step(api, carried, "cancel")).status_code == 403, (
            "the buyer takes it back, not accounting"
        )
        assert (await step(api, carried, "decision", decision="confirm")).status_code == 200


async def test_a_carrier_is_told_what_its_vehicle_lacks_and_nothing_of_the_contract(api, carried, admin):
    path = f"{ORDERS}/{carried['id']}/validation"
    with asking("fast-1", Held.CARRIER, partner="fast"):
        assert (await api.get(path)).json() == {"valid": True, "errors": []}
        admin.execute(
            "UPDATE crm.sales_order SET vehicle = vehicle - 'driver' WHERE id = %s", (carried["id"],)
        )
        lacking = (await api.get(path)).json()
        assert (lacking["valid"], named(lacking)) == (False, {"/vehicle/driver": "required"})
    with asking("slow-1", Held.CARRIER, partner="slow"):
        assert (await api.get(path)).status_code == 404
    admin.execute("UPDATE crm.contract SET status = 'terminated' WHERE id = %s", (carried["contract_id"],))
    assert named((await api.get(path)).json())["/contract_id"] == "not-in-force", "who knows the terms"
    with asking("fast-1", Held.CARRIER, partner="fast"):
        assert set(named((await api.get(path)).json())) == {"/vehicle/driver"}


async def test_a_carrier_sees_neither_money_nor_contract_of_what_it_carries(api, carried):
    asked = await step(api, carried, "discount-request", percent="10", reason="Объём")
    assert asked.status_code == 200, asked.text
    path = f"{ORDERS}/{carried['id']}"
    hidden = ("amount", "full_amount", "discount", "contract_id", "currency")
    with asking("fast-1", Held.CARRIER, partner="fast"):
        named_ = await api.http.put(f"{path}/vehicle", json=VEHICLE, headers={"If-Match": "*"})
        listed = (await api.get(ORDERS)).json()["items"]
        shown = ((await api.get(path)).json(), listed[0], named_.json())
        for order in shown:
            assert order["id"] == carried["id"]
            assert [order.get(name) for name in hidden] == [None] * len(hidden)
            assert order["vehicle"]["driver_document"] == VEHICLE["driver_document"], (
                "it names the driver itself"
            )
        display = (await api.get(f"{path}/display")).json()
        assert not {field["name"] for field in display["fields"]} & set(hidden)
    assert (await api.get(path)).json()["amount"] == "200001.00", "nothing of it was lost"


async def test_what_is_masked_of_an_order_depends_on_how_it_is_reached(
    api, customer, company, carried, admin
):
    """A haulier that also buys, or serves customers of its own, sees all of those orders."""
    own = (await api.post("/api/v1/customers", company(kpp="770102001"))).json()
    path = f"{ORDERS}/{carried['id']}"
    with asking("both", Held.CUSTOMER, Held.CARRIER, partner="fast", customer=own["id"]):
        assert (await api.get(path)).json()["amount"] is None
    with asking("buyer", Held.CUSTOMER, Held.CARRIER, partner="fast", customer=customer["id"]):
        assert (await api.get(path)).json()["amount"] == "200001.00"
    with asking("fast-2", Held.PARTNER_MANAGER, Held.CARRIER, partner="fast"):
        assert (await api.get(path)).json()["amount"] is None
        admin.execute("UPDATE crm.customer SET zone_partner = 'fast' WHERE id = %s", (customer["id"],))
        assert (await api.get(path)).json()["amount"] == "200001.00"


@pytest.mark.parametrize("role", [Held.OPERATOR, Held.AUDITOR])
async def test_who_only_looks_orders_up_does_not_see_the_drivers_document(api, carried, role):
    path = f"{ORDERS}/{carried['id']}"
    with asking("somebody", role):
        for order in ((await api.get(path)).json(), (await api.get(ORDERS)).json()["items"][0]):
            assert (order["vehicle"]["driver_document"], order["amount"]) == ("********5678", "200001.00")
            assert order["vehicle"]["driver"] == "*" * len(VEHICLE["driver"])
    with asking("guard", Held.INTEGRATION):
        assert (await api.get(path)).json()["vehicle"] == carried["vehicle"], "it writes the pass"


async def test_a_carrier_reads_the_history_of_what_it_carries_as_far_as_it_is_its_business(api, carried):
    await step(api, carried, "discount-request", percent="10", reason="Объём")
    await step(api, carried, "decision", decision="grant_discount", note="5 лет вместе")
    await step(api, carried, "decision", decision="confirm")
    history = f"{ORDERS}/{carried['id']}/history"
    with asking("fast-1", Held.CARRIER, partner="fast"):
        steps = (await api.get(history)).json()["items"]
        assert [each["kind"] for each in steps] == ["submitted", "confirmed"]
    with asking("slow-1", Held.CARRIER, partner="slow"):
        assert (await api.get(history)).status_code == 404


def _write_step(connection, customer, record):
    """As petrova, who may change the orders of her own customers."""
    labels = "{order:manager=petrova,customer:manager=petrova}"
    act = "SELECT crm.act('petrova', %(labels)s, %(labels)s, %(labels)s, '{NULL,NULL,NULL,NULL}')"
    connection.execute(act, {"labels": labels})
    connection.execute(
        "INSERT INTO crm.record_event (record_id, version, noun, customer_id, kind, at, actor)"
        " VALUES (%s, 99, 'order', %s, 'confirmed', now(), 'petrova')",
        (record, customer["id"]),
    )


async def test_history_is_written_of_reached_records_only(crm, admin, customer, records):
    """Also behind the API's back: PostgreSQL itself refuses a step of somebody else's order, or of none."""
    for record in (records[ORDERS]["id"], uuid4()):
        with psycopg.connect(crm.url()) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            _write_step(connection, customer, record)
    admin.execute("UPDATE crm.customer SET zone_manager = 'petrova' WHERE id = %s", (customer["id"],))
    with psycopg.connect(crm.url()) as connection:
        _write_step(connection, customer, records[ORDERS]["id"])
        connection.rollback()
