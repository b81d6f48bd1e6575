"""Bookings without double booking, and calls with their timers and retention (R13, R14)."""

from __future__ import annotations

import asyncio

import pytest

DAY = "2031-03-03T"
SLOTS = f"/api/v1/slots?kind=interview&since={DAY}00:00:00Z&until={DAY}23:59:00Z"


@pytest.fixture
async def person(api, number):
    """Somebody with two hours of slots of half an hour; the unit has the same name."""
    code = f"hr-{number}"
    title = {"ru": "HR", "en": "HR", "kk": "HR"}
    await api.post("/api/v1/units", {"code": code, "title": title})
    await api.post("/api/v1/people", {"code": code, "name": "HR", "unit": code})
    form = {
        "person": code,
        "kind": "interview",
        "start": f"{DAY}10:00:00+03:00",
        "end": f"{DAY}12:00:00+03:00",
    }
    made = await api.post("/api/v1/availability", form)
    assert made.status_code == 201, made.text
    assert (await api.post("/api/v1/availability", form)).json()["code"] == "already-exists"
    return code


def booking(person, start=f"{DAY}10:30:00+03:00"):
    return {"person": person, "kind": "interview", "start": start, "contact": "Иванов +79031234567"}


async def test_only_one_of_many_gets_a_slot(api, person):
    answers = await asyncio.gather(*(api.post("/api/v1/bookings", booking(person)) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    free = (await api.get(f"{SLOTS}&unit={person}")).json()["items"]
    assert [slot["start"][11:16] for slot in free] == ["07:00", "08:00", "08:30"]


async def test_a_cancelled_slot_is_free_again(api, person):
    made = await api.post("/api/v1/bookings", booking(person))
    cancelled = await api.post(f"{made.headers['Location']}/cancel", {})
    assert (cancelled.status_code, cancelled.json()["cancelled"]) == (200, True)
    assert (await api.post("/api/v1/bookings", booking(person))).status_code == 201


async def test_a_booking_outside_the_slots_is_refused(api, person):
    answer = await api.post("/api/v1/bookings", booking(person, f"{DAY}10:40:00+03:00"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/start")


async def test_a_call_has_its_timers_and_its_recording(api, number):
    call = {
        "external_id": f"pbx-{number}",
        "direction": "in",
        "phone": "+79031234567",
        "started_at": "2026-01-02T10:00:00Z",
    }
    ringing = await api.post("/api/v1/calls", call)
    assert (ringing.status_code, ringing.json()["talked_seconds"]) == (200, None), ringing.text
    ended = {
        **call,
        "operator": "petrova",
        "answered_at": "2026-01-02T10:00:07Z",
        "ended_at": "2026-01-02T10:03:00Z",
        "recording": "https://records.example/1",
    }
    told = (await api.post("/api/v1/calls", ended)).json()
    assert (told["waited_seconds"], told["talked_seconds"]) == (7, 173)
    assert told["keep_until"] is not None
    assert (await api.get(ringing.headers["Location"])).json() == told


async def test_a_recording_of_changed_personal_data_is_kept_for_ever(api, number):
    call = {
        "external_id": f"pbx-{number}",
        "direction": "in",
        "phone": "+79031234567",
        "started_at": "2026-01-02T10:00:00Z",
    }
    for changed in (False, True, False):
        told = (await api.post("/api/v1/calls", {**call, "personal_data_changed": changed})).json()
    assert (told["personal_data_changed"], told["keep_until"]) == (True, None)
