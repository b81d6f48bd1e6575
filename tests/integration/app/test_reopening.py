"""A customer writes to a closed request: nothing stays hanging, whatever the channel (R1, R5, R10)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.integration.app.desks import REQUESTS, Desk, in_three

REACTION, SOLUTION = timedelta(minutes=15), timedelta(minutes=120)


@pytest.fixture
async def desk(api, number):
    return await Desk(api, number).open(
        templates={"closed": in_three("Решено: $resolution. Оцените от 1 до 5")}
    )


@pytest.fixture
async def keeper(desk):
    return await desk.person("keeper")


def from_customer(request, id_, text="Снова не работает"):
    return {
        "external_id": f"{id_}-{request['id']}",
        "sender": {"kind": "email", "value": "ivan@firma.example"},
        "text": text,
        "request_id": request["id"],
    }


async def closed(desk, operator=None, **more):
    """A request that was solved, by `operator`."""
    request = await desk.register(**more)
    await desk.move(request, "take", operator=operator or request["assignee"] or "boss")
    return await desk.move(request, "close", resolution="Готово")


async def write(desk, request, id_="again", channel="messenger", status=201):
    answer = await desk.api.post(f"/api/v1/channels/{channel}/messages", from_customer(request, id_))
    assert answer.status_code == status, answer.text
    return answer


async def now_of(desk, request):
    return (await desk.api.get(f"{REQUESTS}/{request['id']}")).json()


async def letters(desk, request):
    return (await desk.api.get(f"{REQUESTS}/{request['id']}/messages")).json()["items"]


def long_ago(admin, request, days):
    sql = "UPDATE crm.request SET closed_at = closed_at - make_interval(days => %s) WHERE id = %s"
    admin.execute(sql, [days, request["id"]])


def moment(request, name):
    return datetime.fromisoformat(request[name])


@pytest.mark.parametrize("channel", ["email", "messenger", "portal"])
async def test_it_is_opened_again_for_whose_it_was_with_its_clock_begun_anew(desk, keeper, admin, channel):
    request = await closed(desk)
    long_ago(admin, request, 13)
    start = (await desk.api.get("/api/v1/events?after=latest")).json()["next"]
    told = await write(desk, request, channel=channel)
    assert (told.json()["request_id"], told.headers["Location"]) == (
        request["id"],
        f"{REQUESTS}/{request['id']}",
    )
    again = await now_of(desk, request)
    assert (again["status"], again["assignee"], again["unit"]) == ("new", keeper, desk.unit)
    assert [again[name] for name in ("taken_at", "closed_at", "resolution")] == [None] * 3
    assert moment(again, "reaction_due") - moment(again, "reopened_at") == REACTION
    assert moment(again, "solution_due") - moment(again, "reopened_at") == SOLUTION
    last = again["history"][-1]
    assert (last["kind"], last["actor"], last["at"], last["version"]) == (
        "reopened",
        "ivan@firma.example",
        again["reopened_at"],
        request["version"] + 1,
    )
    events = [
        (each["type"], each["data"].get("status")) for each in (await desk.api.get(start)).json()["items"]
    ]
    assert ("request.reopened", "new") in events
    assert ("message.received", None) in events
    notices = (await desk.api.get(f"/api/v1/notifications?recipient={keeper}")).json()["items"]
    assert [(each["kind"], each["request_id"]) for each in notices] == [("assigned", request["id"])] * 2
    assert ("in", "Снова не работает") in [
        (each["direction"], each["text"]) for each in await letters(desk, request)
    ]
    taken = await desk.move(request, "take", operator=keeper)
    assert moment(taken, "taken_at") > moment(again, "reopened_at")


async def test_satisfaction_is_asked_again_after_the_next_closing_and_what_was_said_is_kept(desk, keeper):
    request = await closed(desk)
    rating = f"{REQUESTS}/{request['id']}/rating"
    assert (await desk.api.post(rating, {"rating": 2})).status_code == 200
    await write(desk, request)
    early = await desk.api.post(rating, {"rating": 1})
    assert (early.status_code, early.json()["state"]) == (409, "new")
    said = await letters(desk, request)
    assert [each["text"] for each in said if each["direction"] == "out"] == [
        "Решено: Готово. Оцените от 1 до 5"
    ]
    (note,) = [each["text"] for each in said if each["direction"] == "internal"]
    assert "Готово" in note
    assert "Оценка клиента: 2" in note
    await desk.move(request, "take", operator=keeper)
    done = await desk.move(request, "close", resolution="Заменили")
    assert (done["status"], done["resolution"], done["rating"]) == ("closed", "Заменили", None)
    asked = [each["text"] for each in await letters(desk, request) if each["direction"] == "out"]
    assert asked[1:] == ["Решено: Заменили. Оцените от 1 до 5"]
    assert (await desk.api.post(rating, {"rating": 5})).json()["rating"] == 5


async def test_what_is_overdue_once_more_is_told_once_more(desk, keeper, admin):
    async def late():
        sql = "UPDATE crm.request SET reaction_due = now() - interval '1 min' WHERE id = %s"
        admin.execute(sql, [request["id"]])
        assert (await desk.api.post("/api/v1/overdue/sweeps", {})).status_code == 200
        notices = (await desk.api.get(f"/api/v1/notifications?recipient={keeper}")).json()["items"]
        return [each["kind"] for each in notices].count("reaction_overdue")

    request = await desk.register()
    assert await late() == 1
    await desk.move(request, "take", operator=keeper)
    await desk.move(request, "close", resolution="Готово")
    await write(desk, request)
    assert await late() == 2


async def test_it_goes_to_another_where_whose_it_was_is_away_and_else_to_the_queue(desk, keeper):
    head = await desk.person("head", lines=[3])
    await desk.put(f"units/{desk.unit}", {"code": desk.unit, "title": in_three("Q"), "head": head})
    requests = [await closed(desk) for _ in range(2)]
    away = {"code": keeper, "name": "keeper", "unit": desk.unit, "present": False}
    await desk.put(f"people/{keeper}", away)
    await write(desk, requests[0])
    assert (await now_of(desk, requests[0]))["assignee"] is None
    notices = (await desk.api.get(f"/api/v1/notifications?recipient={head}")).json()["items"]
    assert [(each["kind"], each["request_id"]) for each in notices] == [("assigned", requests[0]["id"])]
    other = await desk.person("other")
    await write(desk, requests[1])
    assert (await now_of(desk, requests[1]))["assignee"] == other
    why = (await desk.api.get(f"{REQUESTS}/{requests[1]['id']}/assignment")).json()
    assert (why["assignee"], why["unit"]) == (other, desk.unit)


async def test_a_late_message_makes_a_new_request_that_names_the_old_one(desk, keeper, admin):
    old = await closed(desk, channel="email", sender="ivan@firma.example", language="kk", priority="high")
    long_ago(admin, old, 15)
    told = await write(desk, old, channel="email")
    new = (await desk.api.get(told.headers["Location"])).json()
    assert new["id"] != old["id"]
    same = ("subject", "topic", "customer_id", "channel", "sender", "language", "priority")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert (new["follows"], new["status"], new["assignee"], new["text"]) == (
        old["id"],
        "new",
        keeper,
        "Снова не работает",
    )
    assert moment(new, "reaction_due") - moment(new, "created_at") == REACTION
    unchanged = await now_of(desk, old)
    assert (unchanged["status"], unchanged["version"]) == ("closed", old["version"])
    # What is written to the old one next is about the new one.
    assert (await write(desk, old, "more")).json()["request_id"] == new["id"]
    assert len(await letters(desk, new)) == 2
    found = (await desk.api.get(f"{REQUESTS}?follows={old['id']}")).json()["items"]
    assert [each["id"] for each in found] == [new["id"]]
    # And so on: it can be closed, reopened, and followed in its turn.
    await desk.move(new, "take", operator=keeper)
    await desk.move(new, "close", resolution="Опять готово")
    assert (await write(desk, old, "third")).json()["request_id"] == new["id"]
    assert (await now_of(desk, new))["status"] == "new"
    await desk.move(new, "take", operator=keeper)
    await desk.move(new, "close", resolution="И ещё раз")
    long_ago(admin, new, 15)
    third = (await write(desk, old, "fourth")).json()["request_id"]
    assert (await now_of(desk, {"id": third}))["follows"] == new["id"]


async def test_how_long_is_a_setting(crm, start_api, number):
    async with start_api(crm.url(), reopen_days=0) as api:
        desk = await Desk(api, number).open()
        request = await closed(desk)
        assert (await write(desk, request)).json()["request_id"] != request["id"]


async def test_one_whose_topic_is_gone_is_followed_by_one_of_any_matter(desk, keeper, admin):
    old = await closed(desk)
    admin.execute("UPDATE crm.request SET topic = 'never-was' WHERE id = %s", [old["id"]])
    new = await now_of(desk, {"id": (await write(desk, old)).json()["request_id"]})
    assert (new["topic"], new["follows"]) == ("general", old["id"])


@pytest.mark.parametrize("days", [0, 15], ids=["in time", "late"])
async def test_what_a_channel_delivers_again_changes_nothing(desk, keeper, admin, days):
    request = await closed(desk)
    long_ago(admin, request, days)
    mine = {"id": (await write(desk, request)).json()["request_id"]}
    assert (await write(desk, request, status=409)).json()["code"] == "already-exists"
    await desk.move(mine, "take", operator=keeper)
    done = await desk.move(mine, "close", resolution="Готово")
    long_ago(admin, mine, days)
    await write(desk, request, status=409)
    assert (await now_of(desk, mine))["version"] == done["version"]
    of_topic = (await desk.api.get(f"{REQUESTS}?topic={desk.topic}")).json()["items"]
    assert len(of_topic) == (2 if days else 1)


async def test_a_message_that_waits_for_the_closing_reopens_what_was_closed(desk, keeper, admin):
    """The closing holds the row while the message comes in: neither is lost, and the message is last."""
    request = await desk.register()
    await desk.move(request, "take", operator=keeper)
    with admin.transaction():
        admin.execute(
            "UPDATE crm.request SET status = 'closed', closed_at = now(), resolution = 'x', version = 3"
            " WHERE id = %s",
            [request["id"]],
        )
        writing = asyncio.create_task(write(desk, request))
        async with asyncio.timeout(60):
            while not admin.execute(
                "SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            ).fetchall():
                await asyncio.sleep(0.02)
    await writing
    again = await now_of(desk, request)
    assert (again["status"], again["version"], again["history"][-1]["kind"]) == ("new", 4, "reopened")


@pytest.mark.parametrize("days", [0, 15], ids=["in time", "late"])
async def test_messages_at_once_open_one_request(desk, keeper, admin, days):
    request = await closed(desk)
    long_ago(admin, request, days)
    answers = await asyncio.gather(*(write(desk, request, f"m{each}") for each in range(6)))
    (mine,) = {answer.json()["request_id"] for answer in answers}
    assert (mine == request["id"]) == (days == 0)
    kinds = [event["kind"] for event in (await now_of(desk, {"id": mine}))["history"]]
    assert kinds.count("message") == 5
    assert kinds.count("reopened") == (0 if days else 1)


async def test_what_the_staff_write_opens_nothing(desk, keeper):
    request = await closed(desk)
    for direction in ("out", "internal"):
        form = {"direction": direction, "channel": "email", "author": keeper, "text": "К сведению"}
        assert (await desk.post(f"requests/{request['id']}/messages", form)).status_code == 201
    assert (await now_of(desk, request))["status"] == "closed"
    # What the customer says on the phone is the customer's, whoever writes it down.
    form = {"direction": "in", "channel": "call", "author": "Иван", "text": "Опять"}
    await desk.post(f"requests/{request['id']}/messages", form)
    assert (await now_of(desk, request))["status"] == "new"


async def test_what_another_system_closed_comes_back_to_us_and_it_is_told(desk, keeper):
    request = await desk.register()
    reference = f"INC-{desk.n}"
    await desk.move(request, "hand-over", system="otrs", reference=reference)
    solved = {"status": "Решено", "course": "solved", "resolution": "Заменили"}
    await desk.post(f"external/otrs/requests/{reference}/status", solved, 200)
    start = (await desk.api.get("/api/v1/events?after=latest")).json()["next"]
    await write(desk, request)
    again = await now_of(desk, request)
    assert (again["status"], again["assignee"]) == ("new", keeper)
    (event,) = [
        each
        for each in (await desk.api.get(start)).json()["items"]
        if each["type"] == "request.reopened" and each["data"]["id"] == request["id"]
    ]
    assert (event["data"]["external_system"], event["data"]["external_reference"]) == ("otrs", reference)


async def test_reports_count_the_last_time(desk, keeper, admin):
    request = await closed(desk)
    admin.execute(
        "UPDATE crm.request SET created_at = created_at - interval '1 day', closed_at = now() WHERE id = %s",
        [request["id"]],
    )
    await write(desk, request)
    await desk.move(request, "take", operator=keeper)
    address = "/api/v1/reports/service?by=topic&since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z"
    (row,) = [each for each in (await desk.api.get(address)).json()["items"] if each["key"] == desk.topic]
    assert (row["requests"], row["closed"], row["reopened"]) == (1, 0, 1)
    assert 0 <= row["mean_reaction_seconds"] < timedelta(hours=1).total_seconds()
