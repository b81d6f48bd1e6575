"""I1: every change leaves as an event, in order per entity; the feed skips nothing, its cursor survives."""

from __future__ import annotations

import asyncio
import itertools
import json

import jsonschema
import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.devserver import create_crm_database
from app.events.asyncapi import description
from app.events.catalogue import CATALOGUE
from app.imports.blocks import BLOCK_BYTES
from app.imports.loader import Loader

EVENTS, REQUESTS = "/api/v1/events", "/api/v1/requests"
_texts = itertools.count()


@pytest.fixture
async def own(postgres_server, start_api, number):
    """An API on a database of its own: its feed holds nothing of other tests."""
    crm = create_crm_database(postgres_server, f"events_{number}")
    async with start_api(crm.url(), pool_max_size=8) as api:
        api.crm = crm
        yield api


async def register(api, **more):
    form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": f"№ {next(_texts)}", **more}
    answer = await api.post(REQUESTS, form)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def step(api, request, name, **form):
    answer = await api.post(f"{REQUESTS}/{request['id']}/{name}", {"operator": "petrova", **form})
    assert answer.status_code == 200, answer.text


async def read(api, address=EVENTS):
    """All there is from there, and where it goes on."""
    found = []
    while True:
        page = await api.get(address)
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        address = page.json()["next"]
        if not page.json()["more"]:
            return found, address


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


def as_described(event):
    document = description()
    schema = {**document["components"]["messages"][event["type"]]["payload"], **document}
    jsonschema.validate(event, schema, cls=jsonschema.Draft202012Validator)


async def test_what_was_refused_leaves_no_event(own):
    request = await register(own)
    await own.post(f"{REQUESTS}/{request['id']}/close", {"operator": "p", "resolution": "нет"})
    events, _ = await read(own)
    assert [event["type"] for event in events] == ["request.registered"]


async def test_a_repeated_command_leaves_one_event(own):
    form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "дважды"}
    for _ in range(2):
        assert (await own.post(REQUESTS, form, key="twice")).status_code == 201
    events, _ = await read(own)
    assert len(events) == 1


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


async def test_only_integrations_follow_the_feed(own):
    await register(own)
    with acting_as(access_of(Principal("operator", frozenset({Held.OPERATOR})))):
        assert (await own.get(EVENTS)).status_code == 403
    with acting_as(access_of(Principal("erp", frozenset({Held.INTEGRATION})))):
        events, _ = await read(own)
    assert len(events) == 1


async def test_every_type_can_be_asked_for(api):
    types = "&".join(f"types={kind.name}" for kind in CATALOGUE)
    assert (await api.get(f"{EVENTS}?{types}")).status_code == 200


def bought(place, **changes):
    return {
        "processing_id": f"bought:{place}",
        "card_token": "tok_9f2c41d07a",
        "station": "АЗС-0012",
        "product": "AI-95",
        "quantity": "45.120",
        "amount": "2710.25",
        "currency": "RUB",
        "occurred_at": f"2026-01-02T03:04:{place:02}Z",
        **changes,
    }


async def test_a_delivery_of_card_transactions_leaves_one_event_with_those_that_were_new(own):
    feed = "/api/v1/card-transactions"
    assert (await own.post(feed, bought(1))).status_code == 201
    assert (await own.post(feed, bought(1))).status_code == 200
    batch = {"transactions": [bought(place) for place in (3, 1, 2)]}
    for accepted in (2, 0):
        assert (await own.post(f"{feed}/batch", batch)).json()["accepted"] == accepted
    changed = {"transactions": [bought(4), bought(2, amount="1")]}
    assert (await own.post(f"{feed}/batch", changed)).status_code == 409
    events, _ = await read(own, f"{EVENTS}?types=card-transaction-batch.received")
    single, both = (event["data"] for event in events)
    assert single["processing_ids"] == ["bought:1"]
    assert both == {
        "processing_ids": ["bought:3", "bought:2"],
        "first_occurred_at": "2026-01-02T03:04:02Z",
        "last_occurred_at": "2026-01-02T03:04:03Z",
    }
    for event in events:
        as_described(event)


async def test_a_call_leaves_an_event_whenever_more_is_known_of_it(own):
    call = {
        "external_id": "pbx-1",
        "direction": "in",
        "phone": "+79031234567",
        "started_at": "2026-01-02T10:00:00Z",
    }
    answered = {**call, "operator": "petrova", "answered_at": "2026-01-02T10:00:07Z"}
    ended = {**answered, "ended_at": "2026-01-02T10:03:00Z", "recording": "https://records.example/1"}
    for told in (call, call, answered, ended, ended, answered):
        assert (await own.post("/api/v1/calls", told)).status_code == 200
    events, _ = await read(own)
    assert [event["type"] for event in events] == ["call.started", "call.answered", "call.ended"]
    assert len({event["entity"] for event in events}) == 1
    assert (events[2]["data"]["waited_seconds"], events[2]["data"]["talked_seconds"]) == (7, 173)
    for event in events:
        as_described(event)
        assert "79031234567" not in json.dumps(event), "contacts are not told"
        assert "records.example" not in json.dumps(event)


async def test_offered_booked_and_freed_time_leaves_events(own):
    title = {"ru": "HR", "en": "HR", "kk": "HR"}
    await own.post("/api/v1/units", {"code": "hr", "title": title})
    await own.post("/api/v1/people", {"code": "hr", "name": "HR", "unit": "hr"})
    _, start = await read(own)
    time = {"person": "hr", "kind": "interview", "start": "2031-03-03T10:00:00Z"}
    await own.post("/api/v1/availability", {**time, "end": "2031-03-03T12:00:00Z"})
    made = await own.post("/api/v1/bookings", {**time, "contact": "Иванов"})
    assert (await own.post("/api/v1/bookings", {**time, "contact": "Петров"})).status_code == 409
    for _ in range(2):
        assert (await own.post(f"{made.headers['Location']}/cancel", {})).json()["cancelled"]
    events, _ = await read(own, start)
    types = ["availability.added", "booking.made", "booking.cancelled"]
    assert [event["type"] for event in events] == types
    assert events[1]["entity"] == events[2]["entity"] == f"booking:{made.json()['id']}"
    for event in events:
        as_described(event)
        assert "Иванов" not in json.dumps(event, ensure_ascii=False)


async def test_a_bulk_load_leaves_an_event_a_batch_and_none_a_row(own, company):
    rows = [company(), {"kind": "company"}, company(inn="7707083893", ogrn=None)]
    content = "\n".join(json.dumps(row) for row in rows).encode()
    headers = {"Idempotency-Key": "load", "Content-Type": "application/x-ndjson"}
    for _ in range(2):
        answer = await own.http.post("/api/v1/imports", content=content, headers=headers)
        with Loader(own.crm.url()) as loader:
            await asyncio.to_thread(loader.drain)
    job = (await own.get(answer.headers["Location"])).json()
    events, _ = await read(own)
    assert [event["type"] for event in events] == ["import.loaded"]
    told = events[0]["data"]
    assert told == {name: job[name] for name in told}
    assert (told["created"], told["rejected"]) == (2, 1)
    as_described(events[0])


async def test_a_bulk_load_of_several_batches_tells_of_each(own, company):
    content = b"x" * BLOCK_BYTES + b"\n" + json.dumps(company()).encode()
    headers = {"Idempotency-Key": "load", "Content-Type": "application/x-ndjson"}
    await own.http.post("/api/v1/imports", content=content, headers=headers)
    with Loader(own.crm.url(), blocks_a_batch=1) as loader:
        await asyncio.to_thread(loader.drain)
    events, _ = await read(own)
    told = [(event["type"], event["data"]["rejected"], event["data"]["created"]) for event in events]
    assert told == [("import.advanced", 1, 0), ("import.loaded", 1, 1)]
