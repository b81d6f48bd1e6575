"""Deals in the words of the seed: required fields and consistency at each stage, tasks from templates."""

from __future__ import annotations

from app.access.policy import Role as Held
from tests.integration.app.sales import DEALS, asking, day, named

TASKS, STAGES = "/api/v1/tasks", "/api/v1/deal-stages"
TITLE = {"ru": "Этап", "en": "Stage", "kk": "Кезең"}
OFFERED = {
    "contact": "Иванов Иван",
    "product": "Топливные карты",
    "planned_volume": "12000.5",
    "payment": "prepaid",
    "deferral_days": 0,
    "starts": "2026-01-01",
    "ends": "2026-12-31",
}


async def _open(api, customer, **changes):
    form = {"customer_id": customer["id"], "title": "Топливные карты для автопарка", **changes}
    return await api.post(DEALS, form)


async def _move(api, deal, stage, **more):
    return await api.post(f"{DEALS}/{deal['id']}/stage", {"stage": stage, **more})


async def _patch(api, deal, **terms):
    return await api.http.patch(f"{DEALS}/{deal['id']}", json=terms, headers={"If-Match": "*"})


async def test_a_deal_goes_from_the_first_call_to_the_contract(api, customer):
    opened = await _open(api, customer, owner="petrova")
    assert opened.status_code == 201, opened.text
    deal = opened.json()
    assert (deal["stage"], deal["outcome"], deal["version"]) == ("contact", "open", 1)
    refused = await _move(api, deal, "qualification")
    assert refused.status_code == 422, refused.text
    assert named(refused.json()) == dict.fromkeys(
        ("/contact", "/product", "/planned_volume"), "required-by-stage"
    )
    changed = await _patch(api, deal, **OFFERED)
    assert changed.status_code == 200, changed.text
    assert (await _move(api, deal, "qualification", note="Перезвонили")).status_code == 200
    assert (await _move(api, deal, "offer")).json()["stage"] == "offer"
    refused = await _move(api, deal, "signed")
    assert named(refused.json()) == dict.fromkeys(("/contract_number", "/unit"), "required-by-stage")
    unit = (await api.get("/api/v1/units?limit=1")).json()["items"][0]["content"]["code"]
    await _patch(api, deal, contract_number="Д-17/2026", unit=unit)
    won = await _move(api, deal, "signed")
    assert (won.json()["stage"], won.json()["outcome"]) == ("signed", "won"), won.text
    again = await _move(api, deal, "offer")
    assert (again.status_code, again.json()["state"]) == (409, "signed")
    history = (await api.get(f"{DEALS}/{deal['id']}/history")).json()["items"]
    assert [step["kind"] for step in history] == ["opened", "changed", "moved", "moved", "changed", "moved"]
    assert history[2]["note"] == "Перезвонили"


async def test_terms_that_contradict_each_other_are_told(api, customer):
    deal = (await _open(api, customer, **{**OFFERED, "deferral_days": 30, "ends": "2025-01-01"})).json()
    await _move(api, deal, "qualification")
    refused = await _move(api, deal, "offer")
    assert named(refused.json()) == {"/ends": "term-order", "/deferral_days": "prepaid-without-deferral"}
    ready = (await api.get(f"{DEALS}/{deal['id']}/readiness?stage=offer")).json()
    assert (ready["ready"], {each["pointer"] for each in ready["errors"]}) == (
        False,
        {"/ends", "/deferral_days"},
    )
    await _patch(api, deal, deferral_days=0, ends="2026-12-31")
    assert (await api.get(f"{DEALS}/{deal['id']}/readiness?stage=offer")).json()["ready"] is True
    assert (await _move(api, deal, "offer")).status_code == 200
    spoiled = await _patch(api, deal, payment="deferred", deferral_days=None)
    assert named(spoiled.json()) == {"/deferral_days": "deferred-with-days"}
    assert (await _patch(api, deal, contact=None)).status_code == 422, "what the stage needs stays"


async def test_a_missing_field_of_the_customers_card_is_named(api):
    person = (await api.post("/api/v1/customers", {"kind": "person", "name": "Иван"})).json()
    deal = (await _open(api, person, **OFFERED)).json()
    await _move(api, deal, "qualification")
    assert named((await _move(api, deal, "offer")).json()) == {"/customer/inn": "required-by-stage"}


async def test_a_stage_sets_its_tasks_and_drops_those_of_the_one_before(api, customer):
    deal = (await _open(api, customer, **OFFERED, owner="petrova")).json()
    first = (await api.get(f"{TASKS}?deal_id={deal['id']}")).json()["items"]
    assert [(task["template"], task["assignee"], task["status"]) for task in first] == [
        ("clarify", "petrova", "open")
    ]
    done = await api.post(f"{TASKS}/{first[0]['id']}/done", {})
    assert done.json()["status"] == "done", done.text
    assert (await api.post(f"{TASKS}/{first[0]['id']}/done", {})).status_code == 409
    await _move(api, deal, "qualification")
    await _move(api, deal, "offer")
    await _move(api, deal, "lost")  # needs a comment
    await _patch(api, deal, comment="Выбрали другого")
    assert (await _move(api, deal, "lost")).json()["outcome"] == "lost"
    tasks = (await api.get(f"{TASKS}?deal_id={deal['id']}")).json()["items"]
    assert {task["template"]: task["status"] for task in tasks} == {
        "print-offer": "dropped",
        "clarify": "done",
    }


async def test_an_administrator_adds_a_stage_with_a_rule_of_its_own(api, customer, number):
    rule = {
        "code": "big-volume",
        "when": [{"field": "discount_percent", "op": "gt", "value": 10}],
        "then": [{"field": "planned_volume", "op": "ge", "value": 50000}],
        "message": {"ru": "Большая скидка", "en": "A large discount needs volume", "kk": "Үлкен жеңілдік"},
    }
    stage = {
        "code": f"pilot-{number}",
        "title": TITLE,
        "position": 5,
        "requires": ["product"],
        "rules": [rule],
        "tasks": [{"code": "survey", "title": TITLE, "due_days": 3}],
    }
    assert (await api.post(STAGES, stage)).status_code == 201
    small = {"stage": stage["code"], "product": "Карты", "discount_percent": "12.5", "planned_volume": "100"}
    refused = await _open(api, customer, **small)
    assert named(refused.json()) == {"/planned_volume": "big-volume"}
    assert refused.json()["errors"][0]["detail"] == "A large discount needs volume"
    opened = await _open(api, customer, **{**small, "planned_volume": "60000"})
    assert opened.status_code == 201, opened.text
    task = (await api.get(f"{TASKS}?deal_id={opened.json()['id']}")).json()["items"][0]
    assert (task["template"], task["title"], task["due_on"]) == ("survey", TITLE, day(3))
    nonsense = {**rule, "then": [{"field": "planned_volume", "op": "ge", "value": "много"}]}
    answer = await api.post(STAGES, {**stage, "code": f"bad-{number}", "rules": [nonsense]})
    assert answer.status_code == 422


async def test_a_deal_is_seen_in_its_managers_zone_only(api, company):
    with asking("ivanov", Held.SALES_MANAGER):
        card = (await api.post("/api/v1/customers", company())).json()
        deal = (await _open(api, card)).json()
        assert (await api.get(f"{DEALS}/{deal['id']}")).status_code == 200
        assert len((await api.get(f"{TASKS}?deal_id={deal['id']}")).json()["items"]) == 1
    with asking("petrova", Held.SALES_MANAGER):
        assert (await _open(api, card)).json()["code"] == "unknown-customer"
        for path in ("", "/history", "/readiness?stage=lost"):
            assert (await api.get(f"{DEALS}/{deal['id']}{path}")).status_code == 404, path
        assert (await _move(api, deal, "lost")).status_code == 404
        assert (await api.get(f"{TASKS}?deal_id={deal['id']}")).json()["items"] == []


async def test_each_step_leaves_as_an_event_in_order(api, customer, admin):
    deal = (await _open(api, customer, **OFFERED)).json()
    await _move(api, deal, "qualification", note="Перезвонили")
    await _move(api, deal, "signed")  # refused, and so leaves nothing
    left = admin.execute(
        "SELECT type, version, data ->> 'state', data ->> 'note' FROM crm.outbox"
        " WHERE entity = %s ORDER BY seq",
        (f"deal:{deal['id']}",),
    ).fetchall()
    assert left == [("deal.opened", 1, "contact", None), ("deal.moved", 2, "qualification", "Перезвонили")]
    task = (await api.get(f"{TASKS}?deal_id={deal['id']}")).json()["items"][0]
    left = admin.execute(
        "SELECT type FROM crm.outbox WHERE entity = %s ORDER BY seq", (f"task:{task['id']}",)
    ).fetchall()
    assert [kind for (kind,) in left] == ["task.set", "task.dropped"]
