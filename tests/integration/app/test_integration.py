"""R4, R8, R9: requests handed over to another system and back; notifications live."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from tests.integration.app.test_requests_service import Desk

REQUESTS = "/api/v1/requests"
FILE = {"name": "log.txt", "media_type": "text/plain", "content": "0LvQvtCz"}
_numbers = itertools.count()


@pytest.fixture
async def handed(api, number):
    """A request that the service desk has under its own number; and that number."""
    reference = f"INC-{number}-{next(_numbers)}"
    form = {"channel": "call", "topic": "cards", "subject": "Сбой", "text": "Не проходит"}
    request = (await api.post(REQUESTS, form)).json()
    form = {"operator": "petrova", "system": "otrs", "reference": reference}
    assert (await api.post(f"{REQUESTS}/{request['id']}/hand-over", form)).status_code == 200
    return request, f"/api/v1/external/otrs/requests/{reference}"


async def test_statuses_files_letters_and_closing_come_back(api, handed):
    request, there = handed
    status = await api.post(f"{there}/status", {"status": "В работе", "note": "группа 2"})
    assert (status.status_code, status.json()["status"]) == (200, "handed_over")
    assert (await api.post(f"{there}/attachments", FILE)).status_code == 201
    letter = {"author": "Инженер", "text": "Заменили терминал", "external_id": "art-1"}
    assert (await api.post(f"{there}/messages", letter)).status_code == 201
    assert (await api.post(f"{there}/messages", letter)).status_code == 409
    closed = await api.post(
        f"{there}/status", {"status": "Решено", "course": "solved", "resolution": "Терминал заменён"}
    )
    assert (closed.json()["status"], closed.json()["resolution"]) == ("closed", "Терминал заменён")
    history = (await api.get(f"{REQUESTS}/{request['id']}")).json()["history"]
    assert [(event["kind"], event["actor"]) for event in history[2:]] == [
        ("external", "otrs"),
        ("attached", "otrs"),
        ("message", "Инженер"),
        ("closed", "otrs"),
    ]


async def test_it_can_be_given_back(api, handed):
    _, there = handed
    answer = await api.post(f"{there}/status", {"status": "Не наше", "course": "returned"})
    assert answer.json()["status"] == "in_progress"
    again = await api.post(f"{there}/status", {"status": "В работе"})
    assert (again.status_code, again.json()["state"]) == (409, "in_progress")


async def test_the_same_status_sent_twice_happens_once(api, handed):
    request, there = handed
    for _ in range(2):
        answer = await api.post(f"{there}/status", {"status": "В работе"}, key=f"otrs-{request['id']}")
        assert answer.status_code == 200
    history = (await api.get(f"{REQUESTS}/{request['id']}")).json()["history"]
    assert [event["kind"] for event in history].count("external") == 1


async def test_our_side_is_told_by_events_that_name_it(api, handed):
    request, _ = handed
    start = (await api.get("/api/v1/events?after=latest")).json()["next"]
    await api.post(f"{REQUESTS}/{request['id']}/attachments", FILE)
    await api.post(f"{REQUESTS}/{request['id']}/close", {"operator": "petrova", "resolution": "Сами"})
    events = (await api.get(start)).json()["items"]
    assert [event["type"] for event in events] == ["attachment.added", "request.closed"]
    assert {event["data"]["external_system"] for event in events} == {"otrs"}


async def test_a_system_speaks_for_itself_only(api, handed):
    _, there = handed
    with acting_as(access_of(Principal("other", frozenset({Held.CHANNEL})))):
        assert (await api.post(f"{there}/status", {"status": "x"})).status_code == 403
    with acting_as(access_of(Principal("otrs", frozenset({Held.CHANNEL})))):
        assert (await api.post(f"{there}/status", {"status": "x"})).status_code == 200


async def test_an_unknown_number_is_not_found(api):
    answer = await api.post("/api/v1/external/otrs/requests/INC-0/status", {"status": "x"})
    assert answer.status_code == 404


def told(body):
    """The notifications of a stream."""
    lines = [line for line in body.splitlines() if line.startswith("data:")]
    return [json.loads(line.removeprefix("data:")) for line in lines]


async def stream(api, person, **headers):
    answer = await api.http.get("/api/v1/notifications/stream", params={"recipient": person}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return told(answer.text)


async def test_notifications_are_live_and_kept_until_they_are_read(crm, start_api, number):
    async with start_api(crm.url(), stream_seconds=15) as api:
        desk = await Desk(api, number).open()
        person = await desk.person("able")
        before = await desk.register()
        listening = asyncio.create_task(stream(api, person))
        await asyncio.sleep(1)
        live = await desk.register()
        first = await listening
        assert [notice["request_id"] for notice in first] == [before["id"], live["id"]]
        read = await api.post(f"/api/v1/notifications/{first[0]['id']}/read", {})
        assert read.status_code == 200
    async with start_api(crm.url(), stream_seconds=3) as api:
        async with asyncio.timeout(120):
            while not (again := await stream(api, person, **{"Last-Event-ID": first[1]["id"]})):
                pass  # a machine that stood still for all of its three seconds
        assert [notice["id"] for notice in again] == [first[1]["id"]]


async def test_nobody_hears_anothers_notifications(api):
    with acting_as(access_of(Principal("petrova", frozenset({Held.ADMINISTRATOR})))):
        answer = await api.get("/api/v1/notifications/stream?recipient=ivanov")
    assert answer.status_code == 403
