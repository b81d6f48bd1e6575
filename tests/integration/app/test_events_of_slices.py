"""I1: what each slice tells, through the feed, as AsyncAPI describes it. Requests, customers: test_events."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

import psycopg

from app.events.catalogue import CATALOGUE
from app.imports.blocks import BLOCK_BYTES
from app.imports.loader import Loader
from tests.integration.app.feed import EVENTS, as_described, read


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


async def test_what_the_feed_brought_is_told_in_batches_each_transaction_once(own):
    feed = "/api/v1/card-transactions"
    for status in (201, 200):
        assert (await own.post(feed, bought(1))).status_code == status
    batch = {"transactions": [bought(place) for place in (3, 1, 2)]}
    assert (await own.post(f"{feed}/batch", batch)).json()["accepted"] == 2
    assert (await own.post(f"{feed}/batch", {"transactions": [bought(4), bought(2, amount="1")]})).is_error
    received = 0
    async with asyncio.timeout(60):  # what a transaction still open may have brought is waited for
        while received < 3:
            received += (await own.post("/api/v1/accruals/sweeps", {})).json()["received"]
    await own.post("/api/v1/accruals/sweeps", {})
    events, _ = await read(own, f"{EVENTS}?types=card-transaction-batch.received")
    assert [id_ for event in events for id_ in event["data"]["processing_ids"]] == [
        "bought:1",
        "bought:2",
        "bought:3",
    ]
    assert events[0]["data"]["first_occurred_at"] == "2026-01-02T03:04:01Z"
    assert events[-1]["data"]["last_occurred_at"] == "2026-01-02T03:04:03Z"
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


async def test_a_bulk_load_of_several_batches_tells_of_each_and_begins_with_small_ones(own, company):
    content = 6 * (b"x" * (BLOCK_BYTES - 1) + b"\n") + json.dumps(company()).encode()
    headers = {"Idempotency-Key": "load", "Content-Type": "application/x-ndjson"}
    await own.http.post("/api/v1/imports", content=content, headers=headers)
    with Loader(own.crm.url(), blocks_a_batch=3) as loader:
        await asyncio.to_thread(loader.drain)
    events, _ = await read(own)
    told = [(event["type"], event["data"]["rejected"], event["data"]["created"]) for event in events]
    advanced = [("import.advanced", blocks, 0) for blocks in (1, 1 + 2, 1 + 2 + 3)]
    assert told == [*advanced, ("import.loaded", 6, 1)]


async def test_a_missed_deadline_leaves_an_event_once(own):
    form = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "Не работает"}
    late, silent, _ = [(await own.post("/api/v1/requests", form)).json() for _ in range(3)]
    for step in ("take", "wait"):
        answer = await own.post(f"/api/v1/requests/{silent['id']}/{step}", {"operator": "op"})
    with psycopg.connect(own.crm.admin_url, autocommit=True) as admin:
        admin.execute("UPDATE crm.request SET waiting_due = now() WHERE id = %s", (silent["id"],))
        admin.execute(
            "UPDATE crm.request SET reaction_due = now() - '1 h'::interval, solution_due = now()"
            " WHERE id = %s",
            (late["id"],),
        )
    for _ in range(2):
        assert (await own.post("/api/v1/overdue/sweeps", {})).status_code == 200
    types = [f"request.{each}_overdue" for each in ("reaction", "solution", "waiting")]
    events, _ = await read(own, f"{EVENTS}?{urlencode({'types': types}, doseq=True)}")
    assert [event["type"] for event in events] == types
    for event, request in zip(events, (late, late, answer.json()), strict=True):
        assert (event["entity"], event["version"]) == (f"request:{request['id']}", request["version"])
        assert event["data"]["unit"] == request["unit"]
        as_described(event)
