"""How requests are served: assignment, lines, hand-over, clock, redistribution (R3-R5, R7, R8, R10)."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest

from tests.integration.app.desks import REQUESTS, Desk, in_three


@pytest.fixture
async def desk(api, number):
    return await Desk(api, number).open()


async def test_load_is_shared_by_capacity_and_skill(api, number):
    desk = await Desk(api, number).open(skill="cards")
    able = await desk.person("able", skills=["cards"], capacity=2)
    other = await desk.person("other", skills=["cards"], capacity=1)
    await desk.person("unskilled")
    await desk.person("away", skills=["cards"], present=False)
    given = [(await desk.register())["assignee"] for _ in range(4)]
    assert sorted(given[:3]) == sorted([able, able, other])
    assert given[3] is None  # all are at their capacity: it waits in the unit


async def test_load_is_counted_up_to_the_capacity_whatever_the_caller_sees(crm, desk):
    busy = await desk.person("busy", capacity=2)
    free = await desk.person("free", capacity=5)
    for _ in range(4):
        id_ = (await desk.register())["id"]
        await desk.post(f"requests/{id_}/assign", {"operator": "head", "assignee": busy}, 200)
    with psycopg.connect(crm.url()) as nobody:  # who was granted nothing
        assert nobody.execute("SELECT count(*) FROM crm.request").fetchone() == (0,)
        people = nobody.execute("SELECT code, load FROM crm.people_at_work(%s, NULL)", ([desk.unit],))
        assert dict(people.fetchall()) == {busy: 2, free: 0}


async def test_vip_goes_to_the_personal_manager_and_the_answer_says_why(desk, company):
    manager = await desk.person("manager")
    await desk.person("anybody")
    customer = (await desk.post("customers", company())).json()["id"]
    await desk.put(f"customers/{customer}/service-profile", {"vip": True, "manager": manager})
    request = await desk.register(customer_id=customer)
    assert request["assignee"] == manager
    why = (await desk.api.get(f"{REQUESTS}/{request['id']}/assignment")).json()
    assert (why["rule"], why["considered"][-1]["why"]) == ("vip", f"personal manager {manager}")


async def test_a_customer_goes_to_the_office_of_the_contract(desk, company):
    office = desk.name("office")
    await desk.add_unit(office, region="54")
    keeper = await desk.person("keeper", unit=office)
    customer = (await desk.post("customers", company())).json()["id"]
    await desk.put(f"customers/{customer}/service-profile", {"contract_unit": office, "region": "54"})
    request = await desk.register(customer_id=customer)
    assert (request["unit"], request["assignee"], request["region"]) == (office, keeper, "54")


async def test_a_lead_goes_to_acquisition_by_region_type_and_volume(desk, company):
    large = desk.name("large")
    await desk.add_unit(large)
    hunter = await desk.person("hunter", unit=large, regions=["66"])
    await desk.person("elsewhere", unit=large, regions=["77"])
    wanted = {"regions": ["66"], "customer_types": ["commercial"], "parties": ["lead"], "volume_from": "1000"}
    await desk.rule("large", 10, "unit", large, **wanted)
    lead = (await desk.post("customers", {**company(), "stage": "lead"})).json()["id"]
    profile = {"region": "66", "customer_type": "commercial", "planned_volume": "5000"}
    await desk.put(f"customers/{lead}/service-profile", profile)
    assert (await desk.register(customer_id=lead))["assignee"] == hunter
    await desk.put(f"customers/{lead}/service-profile", {**profile, "planned_volume": "999.99"})
    request = await desk.register(customer_id=lead)
    assert request["unit"] == desk.unit
    considered = (await desk.api.get(f"{REQUESTS}/{request['id']}/assignment")).json()["considered"]
    whys = {each["rule"]: each["why"] for each in considered}
    assert whys[desk.name("large")] == "the planned volume is 999.99"


async def test_a_changed_rule_works_at_once(desk):
    other = desk.name("other")
    await desk.add_unit(other)
    await desk.rule("move", 20, "unit", other, channels=["email"])
    assert (await desk.register(channel="email"))["unit"] == other
    assert (await desk.register(channel="call"))["unit"] == desk.unit


async def test_three_lines_of_support(desk):
    people = {line: await desk.person(f"line{line}", lines=[line]) for line in (1, 2, 3)}
    request = await desk.register()
    assert (request["line"], request["assignee"]) == (1, people[1])
    taken = await desk.move(request, "take")
    for line in (2, 3):
        request = await desk.move(request, "escalate", note="нужны права")
        assert (request["status"], request["line"], request["assignee"]) == ("new", line, people[line])
    again = await desk.move(request, "take")
    assert again["taken_at"] == taken["taken_at"]  # the reaction was the first line's
    assert (await desk.move(request, "escalate", status=409))["code"] == "wrong-state"


@pytest.mark.parametrize(("named", "lines"), [(1, [1, 2, 3]), (2, [2, 3]), (3, [3])])
async def test_a_rule_names_the_line_where_work_begins_and_keeps_nobody_from_the_next(desk, named, lines):
    people = {line: await desk.person(f"line{line}", lines=[line]) for line in (1, 2, 3)}
    await desk.rule("line", 10, "queue", line=named)
    request = await desk.register()
    passed = [(request["line"], request["assignee"])]
    for _ in lines[1:]:
        request = await desk.move(request, "escalate")
        passed.append((request["line"], request["assignee"]))
    assert passed == [(line, people[line]) for line in lines]
    assert (await desk.move(request, "escalate", status=409))["code"] == "wrong-state"


async def test_a_rule_that_was_entered_later_raises_line_and_priority_when_a_request_is_escalated(desk):
    expert = await desk.person("expert", lines=[3])
    request = await desk.register()
    await desk.rule("urgent", 10, "queue", line=3, priority="critical")
    await desk.move(request, "escalate")
    request = (await desk.api.get(f"{REQUESTS}/{request['id']}")).json()
    found = {name: request[name] for name in ("line", "priority", "assignee", "version")}
    assert found == {"line": 3, "priority": "critical", "assignee": expert, "version": 2}
    why = (await desk.api.get(f"{REQUESTS}/{request['id']}/assignment")).json()
    assert why["rule"] == desk.name("urgent")


async def test_hand_over_to_another_system_and_back(desk):
    request = await desk.register()
    await desk.move(request, "hand-over", system="otrs", reference="OTRS-17")
    found = (await desk.api.get(f"{REQUESTS}?external_reference=OTRS-17&unit={desk.unit}")).json()["items"]
    assert [(each["id"], each["status"]) for each in found] == [(request["id"], "handed_over")]
    await desk.move(request, "return", note="решено там")
    closed = await desk.move(request, "close", resolution="Готово")
    assert closed["status"] == "closed"


async def test_closing_in_the_other_system_closes_here(desk):
    request = await desk.register()
    await desk.move(request, "hand-over", system="otrs", reference="OTRS-18")
    answer = await desk.api.post(
        f"{REQUESTS}/{request['id']}/external-status", {"operator": "otrs", "status": "pending vendor"}
    )
    assert answer.status_code == 200
    await desk.move(request, "close", resolution="Solved in OTRS")
    history = (await desk.api.get(f"{REQUESTS}/{request['id']}")).json()["history"]
    assert [event["kind"] for event in history] == ["registered", "handed_over", "external", "closed"]
    assert history[2]["note"] == "pending vendor"


async def test_deadlines_follow_priority_and_stand_still_while_the_customer_is_asked(desk, admin):
    request = await desk.register()
    created, due = (datetime.fromisoformat(request[name]) for name in ("created_at", "solution_due"))
    assert due - created == timedelta(minutes=120)
    assert datetime.fromisoformat(request["reaction_due"]) - created == timedelta(minutes=15)
    await desk.move(request, "take")
    waiting = await desk.move(request, "wait")
    # An hour passes while the customer is asked.
    admin.execute(
        "UPDATE crm.request SET waiting_since = waiting_since - interval '1 hour',"
        " solution_due = solution_due - interval '1 hour' WHERE id = %s",
        [request["id"]],
    )
    resumed = await desk.move(request, "resume")
    moved = datetime.fromisoformat(resumed["solution_due"]) - due
    assert waiting["waiting_since"] is not None
    assert timedelta() <= moved < timedelta(minutes=1)


async def test_deadlines_are_in_the_working_time_of_the_customers_region(api, number):
    desk = await Desk(api, number).open(calendar="office")
    dues = {
        region: datetime.fromisoformat((await desk.register(region=region))["solution_due"])
        for region in ("77", "41")
    }
    assert dues["77"].hour in range(6, 16)  # 9 to 18 in Moscow
    assert dues["41"].hour in (21, 22, 23, 0, 1, 2, 3, 4, 5, 6)  # 9 to 18 in Kamchatka


async def test_a_head_sees_the_zone_and_redistributes(desk):
    head = await desk.person("head")
    below = desk.name("below")
    await desk.add_unit(below, parent=desk.unit)
    lazy = await desk.person("lazy", unit=below)
    busy = await desk.person("busy", unit=below)
    await desk.put(f"units/{desk.unit}", {"code": desk.unit, "title": in_three("Zone"), "head": head})
    await desk.rule("below", 30, "unit", below)
    requests = [await desk.register() for _ in range(2)]
    zone = (await desk.api.get(f"{REQUESTS}?zone_of={head}")).json()["items"]
    assert {each["id"] for each in zone} == {each["id"] for each in requests}
    for request in requests:
        await desk.move(request, "assign", assignee=lazy, note="перераспределение")
    mine = (await desk.api.get(f"{REQUESTS}?assignee={lazy}")).json()["items"]
    assert len(mine) == 2
    assert (await desk.api.get(f"{REQUESTS}?assignee={busy}")).json()["items"] == []
    assert (await desk.move(requests[0], "assign", status=422, assignee="nobody"))["errors"]


async def test_what_waits_in_a_unit_without_a_head_is_told_to_the_head_above(desk):
    head, below, far_below = await desk.person("head"), desk.name("below"), desk.name("far-below")
    await desk.put(f"units/{desk.unit}", {"code": desk.unit, "title": in_three("Zone"), "head": head})
    await desk.add_unit(below, parent=desk.unit)
    await desk.add_unit(far_below, parent=below)
    await desk.rule("far-below", 30, "unit", far_below)
    request = await desk.register()
    assert (request["unit"], request["assignee"]) == (far_below, None)
    notices = (await desk.api.get(f"/api/v1/notifications?recipient={head}")).json()["items"]
    assert [(each["kind"], each["request_id"]) for each in notices] == [("assigned", request["id"])]


async def test_satisfaction_is_asked_after_closing_only(desk):
    request = await desk.register()
    early = await desk.api.post(f"{REQUESTS}/{request['id']}/rating", {"rating": 5})
    assert (early.status_code, early.json()["state"]) == (409, "new")
    await desk.move(request, "take")
    await desk.move(request, "close", resolution="Готово")
    rated = await desk.api.post(f"{REQUESTS}/{request['id']}/rating", {"rating": 5, "note": "спасибо"})
    assert (rated.status_code, rated.json()["rating"]) == (200, 5)


async def test_an_unknown_topic_is_named(desk):
    body = {"channel": "call", "topic": "no-such", "subject": "a", "text": "b"}
    answer = await desk.api.post(REQUESTS, body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/topic")
