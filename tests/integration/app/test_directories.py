"""Reference data by the HTTP API: edited by an administrator, versioned, in three languages (R3-R5, R9)."""

from __future__ import annotations

import asyncio

import pytest

TITLE = {"ru": "Блокировка карты", "en": "Card blocking", "kk": "Картаны бұғаттау"}
TIMES = {"reaction_minutes": 15, "solution_minutes": 120}


def topic(code, **changes):
    return {
        "code": code,
        "title": TITLE,
        "queue": "cards",
        "sla": dict.fromkeys(("low", "normal", "high", "critical"), TIMES),
        "calendar": "always",
        **changes,
    }


async def test_an_administrator_edits_a_topic_and_every_version_stays_readable(api, number):
    made = await api.post("/api/v1/topics", topic(f"block-{number}", importance="critical"))
    assert made.status_code == 201, made.text
    address = made.headers["Location"]
    assert (await api.get(address)).json() == made.json()
    changed = await api.http.put(
        address, json=topic(f"block-{number}", line=2), headers={"If-Match": made.headers["ETag"]}
    )
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"'), changed.text
    versions = (await api.get(f"{address}/versions")).json()["items"]
    assert [(each["version"], each["content"]["line"]) for each in versions] == [(2, 2), (1, 1)]
    assert versions[1]["content"] == made.json()["content"]
    stale = await api.http.put(address, json=topic(f"block-{number}"), headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version-mismatch")


async def test_two_administrators_cannot_overwrite_each_other(api, number):
    made = await api.post("/api/v1/topics", topic(f"race-{number}"))
    answers = await asyncio.gather(
        *(
            api.http.put(
                made.headers["Location"], json=topic(f"race-{number}", line=line), headers={"If-Match": '"1"'}
            )
            for line in (1, 2, 3)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"queue": "nowhere"}, "/queue"),
        ({"calendar": "never"}, "/calendar"),
        ({"title": {"ru": "Только по-русски"}}, "/title/en"),
        ({"line": 4}, "/line"),
        ({"sla": {"normal": TIMES}}, "/sla/low"),
    ],
)
async def test_a_wrong_field_is_named(api, number, changes, pointer):
    answer = await api.post("/api/v1/topics", topic(f"wrong-{number}", **changes))
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_a_code_is_given_once(api, number):
    first = await api.post("/api/v1/topics", topic(f"once-{number}"))
    again = await api.post("/api/v1/topics", topic(f"once-{number}"))
    assert (again.status_code, again.json()["code"]) == (409, "already-exists")
    assert again.json()["existing"] == first.headers["Location"]


async def test_seventeen_queues_and_the_regions_with_their_time_zones_are_there(api):
    queues = (await api.get("/api/v1/queues?limit=500")).json()["items"]
    assert len([queue for queue in queues if queue["changed_by"] == "migration"]) == 17
    regions = {
        r["content"]["code"]: r["content"]["time_zone"]
        for r in (await api.get("/api/v1/regions?limit=500")).json()["items"]
    }
    assert len(regions) >= 65
    assert (regions["39"], regions["77"], regions["41"]) == (
        "Europe/Kaliningrad",
        "Europe/Moscow",
        "Asia/Kamchatka",
    )


async def test_a_calendar_needs_working_time_and_a_real_zone(api, number):
    body = {
        "code": f"cal-{number}",
        "title": TITLE,
        "hours": [{"weekday": 1, "start": "09:00", "end": "10:00"}],
    }
    short = await api.post("/api/v1/calendars", body)
    assert (short.status_code, short.json()["code"]) == (422, "validation")
    hours = [{"weekday": day, "start": "09:00", "end": "18:00"} for day in range(1, 6)]
    mars = await api.post("/api/v1/calendars", {**body, "hours": hours, "time_zone": "Mars/Base"})
    assert mars.json()["errors"][0]["pointer"] == "/time_zone"
    special = [{"day": "2026-11-07", "hours": [{"start": "10:00", "end": "15:00"}]}]
    good = await api.post("/api/v1/calendars", {**body, "hours": hours, "country": "RU", "special": special})
    assert good.status_code == 201, good.text
    assert (await api.get(good.headers["Location"])).json() == good.json()


async def test_pages_of_a_directory_hold_every_entry_once(api):
    seen, address = [], "/api/v1/regions?limit=40"
    while address:
        page = (await api.get(address)).json()
        seen += [item["content"]["code"] for item in page["items"]]
        address = page["next"]
    assert seen == sorted(set(seen))
    assert "77" in seen
