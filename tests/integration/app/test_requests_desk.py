"""Intake, letters, files, overdue, notifications, articles, reports (R1, R2, R6, R8-R11, R15)."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io

import pytest

REQUESTS = "/api/v1/requests"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
TIMES = {"reaction_minutes": 15, "solution_minutes": 120}
PERIOD = "since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z"


def in_three(text):
    return {"ru": text, "en": f"{text} (en)", "kk": f"{text} (kk)"}


@pytest.fixture
async def desk(api, number):
    """A topic with its queue, unit and head; its name."""
    name = f"desk-{number}"
    unit = {"code": name, "title": in_three(name)}
    templates = {
        "registered": in_three("$customer, обращение «$subject» принято"),
        "closed": in_three("$resolution"),
    }
    topic = {
        "code": name,
        "title": in_three(name),
        "queue": name,
        "sla": dict.fromkeys(("low", "normal", "high", "critical"), TIMES),
        "calendar": "always",
        "importance": "critical",
        "templates": templates,
    }
    head = {"code": f"head-{number}", "name": "Head", "unit": name, "lines": [3]}
    for path, body in (
        ("units", unit),
        ("people", head),
        ("people", {"code": f"op-{number}", "name": "Op", "unit": name}),
        ("queues", {"code": name, "title": in_three(name), "unit": name}),
        ("topics", topic),
    ):
        answer = await api.post(f"/api/v1/{path}", body)
        assert answer.status_code == 201, answer.text
    await api.http.put(
        f"/api/v1/units/{name}", json={**unit, "head": head["code"]}, headers={"If-Match": "*"}
    )
    return name


async def register(api, topic, **more):
    body = {"channel": "call", "topic": topic, "subject": "Вопрос", "text": "Текст", **more}
    answer = await api.post(REQUESTS, body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("channel", ["email", "messenger", "site", "chat", "map_review", "complaints_book"])
async def test_what_arrives_by_any_channel_becomes_a_request_of_the_known_customer(
    api, company, number, channel
):
    phone = f"+7495{number % 10_000_000:07}"
    customer = company(contacts=[{"kind": "phone", "value": phone}])
    id_ = (await api.post("/api/v1/customers", customer)).json()["id"]
    body = {
        "external_id": f"{channel}-{number}",
        "sender": {"kind": "phone", "value": phone},
        "text": "Карта не работает\nна АЗС 12",
    }
    path = f"/api/v1/channels/{channel}/messages"
    arrived = await api.post(path, body)
    assert arrived.status_code == 201, arrived.text
    request = (await api.get(arrived.headers["Location"])).json()
    assert (request["customer_id"], request["channel"], request["subject"]) == (
        id_,
        channel,
        "Карта не работает",
    )
    again = await api.post(path, body)  # delivered twice by the channel, under another key
    assert (again.status_code, again.json()["code"]) == (409, "already-exists")
    mine = (await api.get(f"{REQUESTS}?customer_id={id_}")).json()["items"]
    assert len(mine) == 1


async def test_the_customers_answer_starts_the_clock_again_and_the_letters_are_kept(api, desk, number):
    request = await register(api, desk, sender="Иван", language="en")
    address = f"{REQUESTS}/{request['id']}"
    await api.post(f"{address}/take", {"operator": f"op-{number}"})
    await api.post(f"{address}/wait", {"operator": f"op-{number}"})
    answer = {
        "external_id": f"mail-{number}",
        "sender": {"kind": "email", "value": "a@example.org"},
        "text": "Вот номер карты",
        "request_id": request["id"],
    }
    assert (await api.post("/api/v1/channels/email/messages", answer)).status_code == 201
    card = (await api.get(address)).json()
    assert (card["status"], card["waiting_since"]) == ("in_progress", None)
    await api.post(f"{address}/close", {"operator": f"op-{number}", "resolution": "Готово"})
    letters = (await api.get(f"{address}/messages")).json()["items"]
    assert [(each["direction"], each["text"]) for each in letters] == [
        ("out", "Иван, обращение «Вопрос» принято (en)"),
        ("in", "Вот номер карты"),
        ("out", "Готово (en)"),
    ]


async def test_a_file_comes_back_to_the_byte_and_is_known_by_its_hash(api, desk, admin):
    request = await register(api, desk)
    address = f"{REQUESTS}/{request['id']}/attachments"
    form = {"name": "чек с АЗС.png", "media_type": "image/png", "content": base64.b64encode(PNG).decode()}
    made = await api.post(address, form)
    assert made.status_code == 201, made.text
    assert made.json()["sha256"] == hashlib.sha256(PNG).hexdigest()
    file = await api.get(made.headers["Location"])
    assert (file.content, file.headers["Content-Type"]) == (PNG, "image/png")
    assert file.headers["Content-Disposition"].startswith("attachment;")
    assert (await api.post(address, form)).json()["code"] == "already-exists"
    assert [each["name"] for each in (await api.get(address)).json()["items"]] == ["чек с АЗС.png"]
    stored = admin.execute("SELECT content FROM crm.attachment WHERE request_id = %s", [request["id"]])
    assert [bytes(content) for (content,) in stored] == [PNG]
    history = (await api.get(f"{REQUESTS}/{request['id']}")).json()["history"]
    assert [event["kind"] for event in history] == ["registered", "attached"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"media_type": "application/x-msdownload"}, "/media_type"),
        ({"media_type": "application/pdf"}, "/content"),
        ({"content": "?" * 8}, "/content"),
        ({"name": "../../etc/passwd"}, "/name"),
        ({"name": ".htaccess"}, "/name"),
        ({"name": "a\u0000.png"}, "/name"),
    ],
)
async def test_a_hostile_file_is_refused_and_nothing_is_kept(api, desk, changes, pointer):
    request = await register(api, desk)
    form = {"name": "a.png", "media_type": "image/png", "content": base64.b64encode(PNG).decode(), **changes}
    answer = await api.post(f"{REQUESTS}/{request['id']}/attachments", form)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.get(f"{REQUESTS}/{request['id']}")).json()["version"] == 1


async def test_overdue_is_told_to_the_head_once_however_many_workers_look(api, desk, number, admin):
    requests = [await register(api, desk) for _ in range(5)]
    ids = [request["id"] for request in requests]
    admin.execute("UPDATE crm.request SET reaction_due = now() - interval '1 min' WHERE id = ANY(%s)", [ids])
    await asyncio.gather(*(api.post("/api/v1/overdue/sweeps", {}) for _ in range(4)))
    notices = (await api.get(f"/api/v1/notifications?recipient=head-{number}&limit=200")).json()["items"]
    overdue = [each for each in notices if each["kind"] == "reaction_overdue"]
    assert sorted(each["request_id"] for each in overdue) == sorted(ids)
    assert {each["importance"] for each in overdue} == {"critical"}


async def test_what_waits_for_the_customer_is_not_overdue(api, desk, number, admin):
    request = await register(api, desk)
    for step in ("take", "wait"):
        await api.post(f"{REQUESTS}/{request['id']}/{step}", {"operator": f"op-{number}"})
    admin.execute(
        "UPDATE crm.request SET solution_due = now() - interval '1 h' WHERE id = %s", [request["id"]]
    )
    await api.post("/api/v1/overdue/sweeps", {})
    notices = (await api.get(f"/api/v1/notifications?recipient=head-{number}")).json()["items"]
    assert notices == []


async def test_a_notification_has_the_topics_importance_and_is_kept_until_read(api, desk, number):
    request = await register(api, desk)
    address = f"/api/v1/notifications?recipient=op-{number}"
    (notice,) = (await api.get(address)).json()["items"]
    assert (notice["kind"], notice["importance"], notice["request_id"]) == (
        "assigned",
        "critical",
        request["id"],
    )
    first = await api.post(f"/api/v1/notifications/{notice['id']}/read", {})
    second = await api.post(f"/api/v1/notifications/{notice['id']}/read", {})
    assert first.json() == second.json()
    assert (await api.get(address)).json()["items"] == []
    assert len((await api.get(f"{address}&unread=false")).json()["items"]) == 1


async def test_articles_for_the_topic_come_with_the_request(api, desk, number):
    article = {"code": f"hint-{number}", "title": in_three("Как"), "body": in_three("Так"), "topics": [desk]}
    assert (await api.post("/api/v1/articles", article)).status_code == 201
    row = {
        "code": f"example-{number}",
        "example": in_three("Карта не проходит"),
        "topic": desk,
        "unit": desk,
        "needed": in_three("Номер АЗС"),
    }
    assert (await api.post("/api/v1/contact-map", row)).status_code == 201
    request = await register(api, desk)
    found = (await api.get(f"{REQUESTS}/{request['id']}/articles")).json()
    assert [each["content"]["code"] for each in found] == [article["code"]]


async def test_reports_add_up_and_are_the_same_as_csv(api, desk, number, admin):
    requests = [await register(api, desk) for _ in range(3)]
    address = f"{REQUESTS}/{requests[0]['id']}"
    await api.post(f"{address}/take", {"operator": f"op-{number}"})
    await api.post(f"{address}/close", {"operator": f"op-{number}", "resolution": "Готово"})
    await api.post(f"{address}/rating", {"rating": 4})
    admin.execute(
        "UPDATE crm.request SET taken_at = created_at + interval '60 s',"
        " closed_at = created_at + interval '240 s',"
        " solution_due = created_at + interval '140 s' WHERE id = %s",
        [requests[0]["id"]],
    )
    report = f"/api/v1/reports/service?by=topic&{PERIOD}"
    (row,) = [each for each in (await api.get(report)).json()["items"] if each["key"] == desk]
    assert row == {
        "key": desk,
        "requests": 3,
        "closed": 1,
        "mean_reaction_seconds": 60,
        "mean_handle_seconds": 180,
        "mean_solution_seconds": 240,
        "overdue": 1,
        "mean_overdue_seconds": 100,
        "mean_rating": 4,
        "reopened": 0,
    }
    table = await api.get(f"{report}&format=csv")
    assert table.headers["Content-Type"].startswith("text/csv")
    (line,) = [each for each in csv.DictReader(io.StringIO(table.text)) if each["key"] == desk]
    assert {name: float(value) for name, value in line.items() if name != "key"} == {
        name: value for name, value in row.items() if name != "key"
    }


async def test_frequency_load_and_board(api, desk, number):
    for _ in range(2):
        await register(api, desk)
    frequency = (await api.get(f"/api/v1/reports/frequency?{PERIOD}&rows=1000")).json()["items"]
    assert {"topic": desk, "requests": 2, "before": 0} in frequency
    for ever, status in (("1900-01-01", "2999-12-31"), 200), (("0001-01-01", "9999-12-31"), 422):
        period = "since={}T00:00:00Z&until={}T00:00:00Z".format(*ever)
        assert (await api.get(f"/api/v1/reports/frequency?{period}")).status_code == status
    load = (await api.get(f"/api/v1/reports/load?unit={desk}")).json()["items"]
    assert [(each["person"], each["open"]) for each in load] == [(f"op-{number}", 2), (f"head-{number}", 0)]
    board = (await api.get("/api/v1/reports/board")).json()["items"]
    (queue,) = [each for each in board if each["queue"] == desk]
    assert (queue["new"], queue["unassigned"], queue["overdue"]) == (2, 0, 0)
