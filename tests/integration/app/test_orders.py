"""Orders of the portal, in the words of the seed (S5)."""

from __future__ import annotations

from tests.integration.app.sales import CONTRACTS, ORDERS, VEHICLE, agree, complete, named


async def _step(api, order, step, **form):
    return await api.post(f"{ORDERS}/{order['id']}/{step}", form)


async def test_an_order_is_validated_submitted_and_fulfilled(api, customer, agreed, goods):
    draft = (await api.post(ORDERS, {"customer_id": customer["id"]})).json()
    assert draft["status"] == "draft"
    lacking = (await api.get(f"{ORDERS}/{draft['id']}/validation")).json()
    assert set(named(lacking)) == {
        "/contract_id",
        "/requisites/consignee",
        "/requisites/delivery",
        "/requisites/wanted_on",
        "/items",
    }
    assert (await _step(api, draft, "submit")).status_code == 422
    form = complete(customer, agreed, goods)
    del form["customer_id"]
    filled = await api.http.put(f"{ORDERS}/{draft['id']}", json=form, headers={"If-Match": '"1"'})
    assert filled.status_code == 200, filled.text
    submitted = await _step(api, draft, "submit")
    assert (submitted.json()["status"], submitted.json()["amount"]) == ("submitted", "200001.00"), (
        submitted.text
    )
    edited = await api.http.put(f"{ORDERS}/{draft['id']}", json=form, headers={"If-Match": "*"})
    assert (edited.status_code, edited.json()["state"]) == (409, "submitted")
    assert (await _step(api, draft, "archive")).status_code == 409, "it is on its way"
    for decision in ("confirm", "ship", "complete"):
        assert (await _step(api, draft, "decision", decision=decision)).status_code == 200
    assert (await _step(api, draft, "cancel")).json()["state"] == "completed"
    assert (await _step(api, draft, "archive")).json()["archived"] is True
    archive = (await api.get(f"{ORDERS}?customer_id={customer['id']}&archived=true")).json()["items"]
    assert [order["id"] for order in archive] == [draft["id"]]


async def test_requisites_items_and_vehicle_are_validated(api, customer, agreed, goods):
    barrel, bucket, bulk = goods
    wrong = complete(
        customer,
        agreed,
        goods,
        requisites={
            "consignee": "А",
            "consignee_inn": "7707083890",
            "delivery": "pickup",
            "wanted_on": "2020-01-01",
        },
        items=[
            {"product": barrel, "quantity": "10.5"},
            {"product": bucket, "quantity": "1"},
            {"product": bulk, "quantity": "1.5"},
        ],
        vehicle={**VEHICLE, "plate": "Я 000 ЯЯ"},
    )
    order = (await api.post(ORDERS, wrong)).json()
    refused = await _step(api, order, "submit")
    assert named(refused.json()) == {
        "/requisites/wanted_on": "in-the-past",
        "/requisites/consignee_inn": "inn-checksum",
        "/items/0/quantity": "too-much",
        "/items/1/product": "not-in-contract",
        "/vehicle/plate": "plate",
        "/vehicle/kind": "needs-tanker",
    }


async def test_an_order_is_repeated_and_a_discount_asked_for(api, customer, agreed, goods):
    first = (await api.post(ORDERS, complete(customer, agreed, goods))).json()
    again = await api.http.post(f"{ORDERS}/{first['id']}/repeat", headers={"Idempotency-Key": first["id"]})
    assert again.status_code == 201, again.text
    order = again.json()
    assert (order["repeats"], order["items"], order["status"]) == (first["id"], first["items"], "draft")
    assert order["number"] != first["number"]
    assert order["requisites"]["wanted_on"] is None
    asked = await _step(api, first, "discount-request", percent="12.5", reason="Большой объём")
    assert asked.json()["discount"]["status"] == "requested", asked.text
    await _step(api, first, "submit")
    granted = await _step(api, first, "decision", decision="grant_discount", percent="10")
    assert granted.json()["amount"] == "180000.90"
    twice = await _step(api, first, "decision", decision="grant_discount")
    assert twice.json()["state"] == "no-discount-requested"


async def test_a_new_request_for_a_discount_takes_the_place_of_what_was_granted(api, customer, agreed, goods):
    order = (await api.post(ORDERS, complete(customer, agreed, goods))).json()
    await _step(api, order, "submit")
    await _step(api, order, "discount-request", percent="10", reason="Большой объём")
    granted = (await _step(api, order, "decision", decision="grant_discount")).json()
    assert (granted["amount"], granted["full_amount"]) == ("180000.90", "200001.00")
    again = (await _step(api, order, "discount-request", percent="20", reason="Ещё больше")).json()
    assert (again["amount"], again["discount"]["status"]) == ("200001.00", "requested")
    refused = (await _step(api, order, "decision", decision="refuse_discount")).json()
    assert refused["amount"] == "200001.00"


async def test_a_discount_is_taken_off_the_price_of_the_day_of_submission(api, customer, agreed, goods):
    order = (await api.post(ORDERS, complete(customer, agreed, goods))).json()
    await _step(api, order, "submit")
    await _step(api, order, "discount-request", percent="10", reason="Большой объём")
    dearer = [{"product": goods[0], "price": "300000"}]
    for products in (dearer, []):
        replaced = await api.http.put(
            f"{CONTRACTS}/{agreed['id']}/products", json={"products": products}, headers={"If-Match": "*"}
        )
        assert replaced.status_code == 200, replaced.text
    granted = await _step(api, order, "decision", decision="grant_discount")
    assert granted.json()["amount"] == "180000.90", granted.text
    assert (await _step(api, order, "decision", decision="confirm")).json()["amount"] == "180000.90"


async def test_a_discount_granted_for_a_draft_counts_when_it_is_submitted(api, customer, agreed, goods):
    order = (await api.post(ORDERS, complete(customer, agreed, goods))).json()
    await _step(api, order, "discount-request", percent="10", reason="Большой объём")
    granted = (await _step(api, order, "decision", decision="grant_discount")).json()
    assert (granted["amount"], granted["discount"]["status"]) == (None, "granted"), "its price is not settled"
    submitted = (await _step(api, order, "submit")).json()
    assert (submitted["full_amount"], submitted["amount"]) == ("200001.00", "180000.90")


async def test_an_order_that_the_release_before_submitted_is_discounted_too(
    api, customer, agreed, goods, admin
):
    """It stored no full amount: it is what the amount says, with a granted discount undone."""
    order = (await api.post(ORDERS, complete(customer, agreed, goods))).json()
    await _step(api, order, "submit")
    for percent, before, amount in (("10", "200001.00", "180000.90"), ("25", "180000.90", "150000.75")):
        assert (await api.get(f"{ORDERS}/{order['id']}")).json()["amount"] == before
        admin.execute("UPDATE crm.sales_order SET full_amount = NULL WHERE id = %s", (order["id"],))
        await _step(api, order, "discount-request", percent=percent, reason="Большой объём")
        granted = (await _step(api, order, "decision", decision="grant_discount")).json()
        assert (granted["full_amount"], granted["amount"]) == ("200001.00", amount)


async def test_an_order_beyond_all_sums_is_refused(api, customer, goods, number):
    agreed = await agree(api, customer, number, [(goods[0], "999999999999.99", None)])
    items = [{"product": goods[0], "quantity": "99999999999"}]
    order = (await api.post(ORDERS, complete(customer, agreed, goods, items=items))).json()
    refused = await _step(api, order, "submit")
    assert (refused.status_code, named(refused.json())) == (422, {"/items": "too-much"}), refused.text


async def test_a_history_has_pages(api, customer):
    order = (await api.post(ORDERS, {"customer_id": customer["id"]})).json()
    path = f"{ORDERS}/{order['id']}"
    for comment in ("а", "б", "в"):
        await api.http.put(path, json={"comment": comment}, headers={"If-Match": "*"})
    address, versions, pages = f"{path}/history?limit=2", [], 0
    while address:
        page = (await api.get(address)).json()
        versions += [each["version"] for each in page["items"]]
        address, pages = page["next"], pages + 1
    assert (versions, pages) == ([1, 2, 3, 4], 2)
    assert (await api.get(f"{path}/history?cursor=nonsense")).json()["code"] == "cursor-invalid"
    assert (await api.get(f"{path}/history?limit=201")).status_code == 422
