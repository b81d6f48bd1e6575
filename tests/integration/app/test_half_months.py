"""The statistics of the most frequent requests, kept twice a month by the worker (R11)."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

from app.access.policy import Role
from app.access.principal import Principal, access_of, acting_as
from app.database.answer import Command
from app.reports import keeping
from app.requests import service
from app.worker import term
from app.worker.jobs import JOBS
from tests.integration.app.desks import Desk, ids_by

REPORTS = "/api/v1/reports"
COMMAND = Command("crm test", term.PRINCIPAL, None, b"", 30.0, audited=False)
(KEEP,) = (job.work for job in JOBS if job.work is keeping.keep_due)


def moscow(month, day, hour=12, minute=0):
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Moscow"))


@pytest.fixture
async def desks(own, monkeypatch):
    """Two units with a topic and a head each, on a database of their own."""
    monkeypatch.setattr(service, "new_id", ids_by(service))
    both = [await Desk(own, name).open() for name in ("cards", "pos")]
    for desk in both:
        head = await desk.person("head")
        await desk.put(
            f"units/{desk.unit}",
            {"code": desk.unit, "title": {"ru": "Отдел", "en": "Unit", "kk": "Бөлім"}, "head": head},
        )
    return both


@pytest.fixture
def arrive(monkeypatch):
    async def arrive(desk, *moments):
        for moment in moments:
            monkeypatch.setattr(service, "now", lambda at=moment: at.astimezone(UTC))
            await desk.register()

    return arrive


@pytest.fixture
def keep(own, monkeypatch):
    """The worker's job at a moment, until it has no more to do; how many half months it kept."""

    async def keep(moment):
        monkeypatch.setattr(keeping, "now", lambda: moment.astimezone(UTC))
        kept = 0
        with acting_as(term.ACCESS):
            while await KEEP(own.database, COMMAND):
                kept += 1
        return kept

    return keep


async def kept(api):
    items = (await api.get(f"{REPORTS}/half-months")).json()["items"]
    return [(each["first_day"], each["last_day"], each["requests"]) for each in items]


async def told(api, desk):
    items = (await api.get(f"/api/v1/notifications?recipient={desk.name('head')}")).json()["items"]
    return [each["half_month"] for each in items if each["kind"] == "statistics"]


async def test_what_has_ended_is_kept_as_it_was_with_the_change(own, desks, arrive, keep):
    cards, pos = desks
    await arrive(cards, moscow(6, 1, 0), moscow(6, 15, 23, 59))
    await arrive(pos, moscow(6, 3))
    await arrive(cards, *[moscow(6, 16, 0)] * 3, moscow(6, 30, 23, 59))
    assert await keep(moscow(7, 1, 1)) == 2
    await arrive(cards, moscow(6, 20), moscow(7, 1, 0))  # too late to be counted, and not yet
    with psycopg.connect(own.crm.admin_url) as admin:
        admin.execute("UPDATE crm.request SET topic = %s", (pos.topic,))
    assert await keep(moscow(7, 15)) == 0

    assert await kept(own) == [("2026-06-16", "2026-06-30", 4), ("2026-06-01", "2026-06-15", 3)]
    report = f"{REPORTS}/half-months/2026-06-16"
    rows = (await own.get(report)).json()["items"]
    assert rows == [
        {"topic": cards.topic, "requests": 4, "before": 2, "change": 2, "change_percent": 100.0},
        {"topic": pos.topic, "requests": 0, "before": 1, "change": -1, "change_percent": -100.0},
    ]
    table = await own.get(f"{report}?format=csv")
    assert table.headers["Content-Type"].startswith("text/csv")
    assert list(csv.DictReader(io.StringIO(table.text))) == [
        {name: str(value) for name, value in row.items()} for row in rows
    ]
    for desk in desks:
        assert await told(own, desk) == ["2026-06-16", "2026-06-01"]


async def test_the_change_is_of_the_requests_a_day(own, desks, arrive, keep):
    cards, _ = desks
    await arrive(cards, *[moscow(2, 16)] * 13, *[moscow(3, 1)] * 15)
    await keep(moscow(3, 16, 1))
    first, second = [
        (await own.get(f"{REPORTS}/half-months/{day}")).json()["items"]
        for day in ("2026-02-16", "2026-03-01")
    ]
    assert first == [
        {"topic": cards.topic, "requests": 13, "before": None, "change": None, "change_percent": None}
    ]
    assert second == [
        {"topic": cards.topic, "requests": 15, "before": 13, "change": 2, "change_percent": 0.0}
    ]


async def test_what_was_missed_is_made_up_and_nothing_twice(own, desks, arrive, keep):
    cards, _ = desks
    await arrive(cards, moscow(3, 20), moscow(4, 20))
    assert await keep(moscow(4, 1, 1)) == 1
    # Nobody worked for six weeks; then more than one does, the fenced one not yet knowing.
    made = await asyncio.gather(*(keep(moscow(5, 20)) for _ in range(4)))
    assert sum(made) >= 3
    assert await kept(own) == [
        ("2026-05-01", "2026-05-15", 0),
        ("2026-04-16", "2026-04-30", 1),
        ("2026-04-01", "2026-04-15", 0),
        ("2026-03-16", "2026-03-31", 1),
    ]
    assert await told(own, cards) == ["2026-05-01", "2026-04-16", "2026-04-01", "2026-03-16"]


async def test_a_head_is_told_the_figures_of_the_zone(own, desks, arrive, keep):
    for desk, many in zip(desks, (2, 3), strict=True):
        await arrive(desk, *[moscow(6, 5)] * many)
    await keep(moscow(6, 16, 1))
    for desk, many in zip(desks, (2, 3), strict=True):
        head = Principal(desk.name("head"), frozenset({Role.HEAD}), (desk.unit,))
        with acting_as(access_of(head)):
            assert await kept(own) == [("2026-06-01", "2026-06-15", many)]
            rows = (await own.get(f"{REPORTS}/half-months/2026-06-01")).json()["items"]
            assert [(row["topic"], row["requests"]) for row in rows] == [(desk.topic, many)]
            assert await told(own, desk) == ["2026-06-01"]


async def test_what_is_not_kept_is_not_made_up_from_the_one_before(own, desks, arrive, keep):
    await arrive(desks[0], moscow(6, 5))
    await keep(moscow(6, 16, 1))
    for day, status in ("2026-06-01", 200), ("2026-06-07", 404), ("2026-06-16", 404), ("2026-06", 422):
        assert (await own.get(f"{REPORTS}/half-months/{day}")).status_code == status


@pytest.mark.safety
async def test_nothing_that_is_kept_can_be_changed_by_the_api(own, desks, arrive, keep):
    await arrive(desks[0], moscow(6, 5))
    await keep(moscow(6, 16, 1))
    for change in ("UPDATE crm.half_month_topic SET requests = 9", "DELETE FROM crm.half_month"):
        with psycopg.connect(own.crm.url()) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(change)
