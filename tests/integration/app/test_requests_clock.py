"""The clock of requests: around the clock for integrated systems, else in working time (R5)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from app.requests import moves, reopening, service
from tests.integration.app.desks import REQUESTS, SLA, Desk, ids_by

KAMCHATKA = "41"  # the region: twelve hours before UTC
BEFORE_VICTORY_DAY = 8  # of May 2026, a Friday; 9 May is a Saturday, so Monday 11 is off as well


def may(day, hour, minute=0):
    """In Kamchatka, where the working day is from 9 to 18."""
    return datetime(2026, 5, day, hour, minute, tzinfo=ZoneInfo("Asia/Kamchatka"))


ARRIVED = may(BEFORE_VICTORY_DAY, 17, 30)


class Hands:
    """The clock of the API's host, set by hand."""

    def __init__(self):
        self.at = ARRIVED

    def now(self):
        return self.at.astimezone(UTC)


@pytest.fixture
def hands(monkeypatch):
    hands = Hands()
    for module in (service, moves, reopening):
        monkeypatch.setattr(module, "now", hands.now)
    monkeypatch.setattr(service, "new_id", ids_by(hands))
    return hands


@pytest.fixture
async def both(api, number, hands):
    """One moment's request about an integration, and one about office work: desk and request of each."""
    critical = await Desk(api, f"{number}-critical").open(calendar="always")
    office = await Desk(api, f"{number}-office").open(calendar="office")
    return [(desk, await desk.register(region=KAMCHATKA)) for desk in (critical, office)]


def moments(requests, name):
    return [datetime.fromisoformat(request[name]) for request in requests]


async def test_a_friday_evening_before_a_holiday_ends_the_office_and_no_integration(both):
    requests = [request for _, request in both]
    assert moments(requests, "created_at") == [ARRIVED, ARRIVED]
    assert moments(requests, "reaction_due") == [may(8, 17, 45)] * 2
    # The office has half an hour of Friday left; the other hour and a half begin on Tuesday at nine.
    assert moments(requests, "solution_due") == [may(8, 19, 30), may(12, 10, 30)]


async def test_a_pause_moves_each_deadline_by_the_time_of_its_own_clock(both, hands):
    resumed = []
    for desk, request in both:
        for hands.at, step in ((may(8, 17, 35), "take"), (may(8, 17, 40), "wait")):
            await desk.move(request, step)
        hands.at = may(10, 12)  # the customer answers on Sunday, 110 of the 120 minutes are left
        resumed.append(await desk.move(request, "resume"))
    assert moments(resumed, "solution_due") == [may(10, 13, 50), may(12, 10, 50)]
    assert moments(resumed, "taken_at") == [may(8, 17, 35)] * 2
    assert moments(resumed, "reaction_due") == [may(8, 17, 45)] * 2


async def test_who_is_asked_until_the_end_makes_nobody_late(both, hands):
    closed = []
    for desk, request in both:
        for hands.at, step in ((may(8, 17, 35), "take"), (may(8, 17, 40), "wait")):
            await desk.move(request, step)
        hands.at = may(13, 9, 30)
        closed.append(await desk.move(request, "close", resolution="Готово"))
    assert moments(closed, "solution_due") == [may(13, 11, 20)] * 2
    for desk, request in both:
        period = "since=2026-05-01T00:00:00Z&until=2026-06-01T00:00:00Z"
        rows = (await desk.api.get(f"/api/v1/reports/service?by=topic&{period}")).json()["items"]
        (row,) = [row for row in rows if row["key"] == request["topic"]]
        assert (row["overdue"], row["mean_reaction_seconds"]) == (0, 5 * 60)
        assert row["mean_solution_seconds"] == (may(13, 9, 30) - ARRIVED).total_seconds()


async def test_a_priority_given_at_an_escalation_brings_its_deadlines_from_the_arrival(api, number, hands):
    sla = {**SLA, "high": {"reaction_minutes": 5, "solution_minutes": 60}}
    desk = await Desk(api, number).open(calendar="office", sla=sla)
    asked, untaken = [await desk.register(region=KAMCHATKA) for _ in range(2)]
    for hands.at, step in ((may(8, 17, 35), "take"), (may(8, 17, 40), "wait"), (may(10, 12), "resume")):
        await desk.move(asked, step)
    longer = {priority: {"reaction_minutes": 400, "solution_minutes": 400} for priority in sla}
    await desk.put(f"topics/{desk.topic}", desk.topic_form(calendar="office", sla=longer))  # for later ones
    await desk.rule("urgent", 10, "queue", priority="high")
    hands.at = may(12, 9, 10)
    asked, untaken = [await desk.move(request, "escalate") for request in (asked, untaken)]
    assert (asked["priority"], untaken["priority"]) == ("high", "high")
    # An hour from the arrival, and 20 minutes of Friday in which the customer was asked.
    assert moments([asked, untaken], "solution_due") == [may(12, 9, 50), may(12, 9, 30)]
    assert moments([asked, untaken], "reaction_due") == [may(8, 17, 45), may(8, 17, 35)]


async def test_a_reopened_one_has_the_topics_time_of_now_from_its_reopening(both, hands):
    shorter = {"reaction_minutes": 10, "solution_minutes": 60}
    hour = {**SLA, "normal": shorter, "high": {"reaction_minutes": 5, "solution_minutes": 30}}
    again, raised = [], []
    for desk, request in both:
        for hands.at, step in ((may(8, 17, 35), "take"), (may(8, 17, 40), "close")):
            await desk.move(request, step, **({"resolution": "Готово"} if step == "close" else {}))
        topic = await desk.api.get(f"/api/v1/topics/{desk.topic}")
        calendar = topic.json()["content"]["calendar"]
        await desk.put(f"topics/{desk.topic}", desk.topic_form(calendar=calendar, sla=hour))
        hands.at = may(10, 12)  # on Sunday
        form = {"direction": "in", "channel": "messenger", "author": "Иван", "text": "Опять"}
        await desk.post(f"requests/{request['id']}/messages", form)
        again.append((await desk.api.get(f"{REQUESTS}/{request['id']}")).json())
        await desk.rule("urgent", 10, "queue", priority="high")
        raised.append(await desk.move(request, "escalate"))
    assert moments(again, "reopened_at") == [may(10, 12)] * 2
    assert moments(again, "reaction_due") == [may(10, 12, 10), may(12, 9, 10)]
    assert moments(again, "solution_due") == [may(10, 13), may(12, 10)]
    assert [request["topic_version"] for request in again] == [2, 2]
    # Another priority counts from the reopening as well, by the topic's version of then.
    assert moments(raised, "reaction_due") == [may(10, 12, 5), may(12, 9, 5)]
    assert moments(raised, "solution_due") == [may(10, 12, 30), may(12, 9, 30)]


async def test_every_movement_is_stamped_with_its_moment(both, hands):
    way = (
        (may(8, 17, 31), "take", {}),
        (may(8, 17, 32), "escalate", {"note": "нужны права"}),
        (may(8, 17, 33), "take", {}),
        (may(8, 17, 34), "wait", {}),
        (may(10, 12), "resume", {}),
        (may(12, 9, 5), "close", {"resolution": "Готово"}),
    )
    for desk, request in both:
        for hands.at, step, body in way:
            await desk.move(request, step, **body)
        history = (await desk.api.get(f"{REQUESTS}/{request['id']}")).json()["history"]
        assert [event["kind"] for event in history] == [
            "registered",
            "taken",
            "escalated",
            "taken",
            "waiting",
            "resumed",
            "closed",
        ]
        assert moments(history, "at") == [ARRIVED, *(at for at, _, _ in way)]
