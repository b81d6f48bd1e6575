"""I1: every change leaves as an event, in order per entity; the feed skips nothing, its cursor survives."""

from __future__ import annotations

import asyncio
import itertools
import json

import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from tests.integration.app.feed import EVENTS, as_described, read

REQUESTS = "/api/v1/requests"
_texts = itertools.count()


async def register(api, **more):
    form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": f"№ {next(_texts)}", **more}
    answer = await api.post(REQUESTS, form)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def step(api, request, name, **form):
    answer = await api.post(f"{REQUESTS}/{request['id']}/{name}", {"operator": "petrova", **form})
    assert answer.status_code == 200, answer.text


@pytest.mark.safety
async def test_every_change_is_in_the_feed_in_its_order_and_as_described(own, company):
    customer = (await own.post("/api/v1/customers", company())).json()
    await own.http.patch(
        f"/api/v1/customers/{customer['id']}", json={"name": "Ромашка"}, headers={"If-Match": "*"}
    )
    request = await register(own, customer_id=customer["id"])
    await step(own, request, "take")
    message = {"direction": "in", "channel": "call", "author": "Иван", "text": "Спасибо"}
    await own.post(f"{REQUESTS}/{request['id']}/messages", message)
    file = {"name": "a.txt", "media_type": "text/plain", "content": "0YLQtdC60YHRgg=="}
    await own.post(f"{REQUESTS}/{request['id']}/attachments", file)
    await step(own, request, "close", resolution="Готово")
    events, _ = await read(own, f"{EVENTS}?limit=2")
    assert [(event["type"], event["version"]) for event in events] == [
        ("customer.registered", 1),
        ("customer.changed", 2),
        ("request.registered", 1),
        ("request.taken", 2),
        ("message.received", 3),
        ("attachment.added", 4),
        ("request.closed", 5),
    ]
    assert events[-1]["entity"] == f"request:{request['id']}"
    assert "Спасибо" not in json.dumps(events, ensure_ascii=False)
    for event in events:
        as_described(event)


@pytest.mark.safety
async def test_what_was_refused_leaves_no_event(own):
    request = await register(own)
    await own.post(f"{REQUESTS}/{request['id']}/close", {"operator": "p", "resolution": "нет"})
    events, _ = await read(own)
    assert [event["type"] for event in events] == ["request.registered"]


@pytest.mark.safety
async def test_a_repeated_command_leaves_one_event(own):
    form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "дважды"}
    for _ in range(2):
        assert (await own.post(REQUESTS, form, key="twice")).status_code == 201
    events, _ = await read(own)
    assert len(events) == 1


@pytest.mark.safety
async def test_a_reader_beside_many_writers_gets_every_event_once_and_in_order(own):
    """Transactions commit in another order than they took their numbers; some roll back and leave gaps."""
    requests = [await register(own) for _ in range(4)]
    written = asyncio.Event()

    async def write(request):
        for number in range(12):
            note = {"direction": "internal", "channel": "api", "author": "p", "text": str(number)}
            form = await own.post(f"{REQUESTS}/{request['id']}/messages", note)
            assert form.status_code == 201, form.text
            refused = await own.post(f"{REQUESTS}/{request['id']}/return", {"operator": "p"})
            assert refused.status_code == 409

    async def follow():
        seen, address = [], EVENTS
        while True:
            done = written.is_set()
            found, address = await read(own, address)
            seen += found
            if done and not found:
                return seen

    reader = asyncio.create_task(follow())
    slow = asyncio.create_task(_holds_a_number_back(own.crm))
    await asyncio.gather(*(write(request) for request in requests))
    await slow
    written.set()
    seen = await reader
    assert len({event["id"] for event in seen}) == len(seen) == 4 + 4 * 12 + 1
    for request in requests:
        versions = [e["version"] for e in seen if e["entity"] == f"request:{request['id']}"]
        assert versions == list(range(1, 14))


async def _holds_a_number_back(crm):
    """An event numbered early and committed late: what a reader by sequence would skip."""
    async with await psycopg.AsyncConnection.connect(crm.admin_url) as connection:
        await connection.execute(
            "INSERT INTO crm.outbox (id, type, entity, at, data)"
            " VALUES (gen_random_uuid(), 'directory.changed', 'directory:late/late', now(), '{}')"
        )
        await asyncio.sleep(0.5)
        await connection.commit()


async def test_only_some_types(own):
    request = await register(own)
    await step(own, request, "take")
    events, address = await read(own, f"{EVENTS}?types=request.taken&types=customer.*")
    assert [event["type"] for event in events] == ["request.taken"]
    await step(own, request, "close", resolution="Готово")
    assert await read(own, address) == ([], (await read(own, address))[1])


async def test_from_now_on(own):
    await register(own)
    _, address = await read(own, f"{EVENTS}?after=latest")
    second = await register(own)
    events, _ = await read(own, address)
    assert [event["data"]["id"] for event in events] == [second["id"]]


async def test_a_cursor_whose_event_was_taken_back_is_refused(own):
    """A forced failover with accepted loss: the same position, another event."""
    await register(own)
    _, address = await read(own)
    with psycopg.connect(own.crm.admin_url, autocommit=True) as admin:
        admin.execute("UPDATE crm.event SET id = gen_random_uuid()")
    answer = await own.get(address)
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor-lost")


async def test_old_events_are_purged_and_a_cursor_among_them_is_told(own):
    await register(own)
    _, early = await read(own)
    await register(own)
    _, end = await read(own)
    with psycopg.connect(own.crm.admin_url, autocommit=True) as admin:
        assert admin.execute("SELECT crm.purge_events(now() + '1 day', 100)").fetchone() == (2,)
    third = await register(own)
    assert (await own.get(early)).json()["code"] == "cursor-lost"
    for address in (end, EVENTS):
        assert [event["data"]["id"] for event in (await read(own, address))[0]] == [third["id"]]


@pytest.mark.parametrize("after", ["x", "AAAA", "AQAAAAAAAAAB", "ä"])
async def test_a_strange_cursor_is_refused(api, after):
    answer = await api.get(f"{EVENTS}?after={after}")
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor-invalid")


@pytest.mark.safety
async def test_only_integrations_follow_the_feed(own):
    await register(own)
    with acting_as(access_of(Principal("operator", frozenset({Held.OPERATOR})))):
        assert (await own.get(EVENTS)).status_code == 403
    with acting_as(access_of(Principal("erp", frozenset({Held.INTEGRATION})))):
        events, _ = await read(own)
    assert len(events) == 1
