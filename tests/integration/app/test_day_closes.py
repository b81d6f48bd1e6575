"""The day's close through the HTTP API (I3): "автоматизировали сверку при закрытии операционного дня",
"рассылка отчетов по наличию в системе критически необходимых данных".
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as

CLOSES, MISSING, FEED = "/api/v1/day-closes", "/api/v1/missing-data", "/api/v1/card-transactions"
MOSCOW = ZoneInfo("Europe/Moscow")
PURCHASES = {"kind": "purchase", "currency": "RUB", "transactions": 2, "amount": "3000.50"}
RETURNS = {"kind": "return", "currency": "RUB", "transactions": 1, "amount": "-500"}
DAY = date(2026, 1, 31)  # of Moscow: it begins in one month of UTC and ends in the same, its eve in another


@pytest.fixture
def api(own):
    """All transactions of a day count: nobody else's are here."""
    return own


@pytest.fixture
def admin(own):
    with psycopg.connect(own.crm.admin_url, autocommit=True) as connection:
        yield connection


def at(clock, day=DAY):
    return datetime.combine(day, time.fromisoformat(clock), MOSCOW).isoformat()


def bought(name, amount, clock="12:00:00", station="АЗС-1", day=DAY):
    """A transaction of the processing system."""
    return {
        "processing_id": name,
        "card_token": "tok_closing",
        "station": station,
        "product": "AI-95",
        "quantity": "10",
        "amount": amount,
        "currency": "RUB",
        "occurred_at": at(clock, day),
    }


SENT = (
    bought("first", "1000.25", "00:00:00"),
    bought("last", "2000.25", "23:59:59", "АЗС-2"),
    bought("returned", "-500", "13:00:00"),
)
AROUND = (
    bought("eve", "7", "23:59:59", day=DAY - timedelta(days=1)),
    bought("morrow", "7", "00:00:00", day=DAY + timedelta(days=1)),
)


async def received(api, *transactions):
    answer = await api.post(f"{FEED}/batch", {"transactions": list(transactions)})
    assert answer.status_code == 200, answer.text


def close(*totals, closed_at=None, day=DAY):
    closed_at = closed_at or at("00:10:00", day + timedelta(days=1))
    return {"day": day.isoformat(), "closed_at": closed_at, "totals": list(totals)}


async def told(api, *totals, status=201, key=None, **more):
    answer = await api.post(CLOSES, close(*totals, **more), key)
    assert answer.status_code == status, answer.text
    return answer.json()


async def looked(api):
    """The worker's steps, until nothing is due; how many days were compared."""
    compared = 0
    while True:
        answer = await api.http.post(f"{CLOSES}/sweeps")
        assert answer.status_code == 200, answer.text
        if not answer.json()["compared"]:
            return compared
        compared += 1


async def accrued(api):
    """The sweep that sees what the feed brought."""
    while (await api.http.post("/api/v1/accruals/sweeps")).json()["received"]:
        pass


async def one(api, day=DAY):
    answer = await api.get(f"{CLOSES}/{day}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def reported(api, admin):
    """The days of which missing data are told, by the list and by events so far."""
    assert (await api.http.post(f"{MISSING}/sweeps")).status_code == 200
    listed = (await api.get(f"{MISSING}?feed=day-close")).json()["items"]
    sent = admin.execute(
        "SELECT data->>'source' FROM crm.outbox WHERE entity LIKE 'data-feed:day-close:%'"
        " UNION ALL SELECT data->>'source' FROM crm.event WHERE entity LIKE 'data-feed:day-close:%'"
    )
    return [item["source"] for item in listed], sorted(row[0] for row in sent)


async def test_a_day_whose_sums_are_the_same_matches(api, admin):
    await received(api, *SENT, *AROUND)
    assert (await told(api, PURCHASES, RETURNS))["state"] == "told"
    assert await looked(api) == 1
    day = await one(api)
    assert (day["close"]["state"], day["close"]["transactions"], day["close"]["found"]) == ("matched", 3, 3)
    assert [total["amount"] for total in day["totals"]] == ["3000.50", "-500.00"]
    assert [seen["state"] for seen in day["comparisons"]] == ["matched"]
    assert await reported(api, admin) == ([], [])


async def test_a_lost_transaction_is_reported_and_named_by_its_sums_until_it_comes(api, admin):
    await received(api, SENT[0], SENT[2])
    await told(api, PURCHASES, RETURNS)
    await looked(api)
    day = await one(api)
    lost = {
        "station": None,
        "kind": "purchase",
        "currency": "RUB",
        "transactions": 2,
        "found_transactions": 1,
        "amount": "3000.50",
        "found_amount": "1000.25",
    }
    assert (day["close"]["state"], day["comparisons"][0]["differences"]) == ("differs", [lost])
    for _ in range(2):
        assert await reported(api, admin) == (["2026-01-31"], ["2026-01-31"]), "listed for as long, told once"

    await accrued(api)
    await received(api, SENT[1])  # late
    await accrued(api)
    assert await looked(api) == 0, "what comes within a minute is looked at together"
    admin.execute("UPDATE crm.day_close SET look_at = now()")
    assert await looked(api) == 1
    day = await one(api)
    assert [seen["state"] for seen in day["comparisons"]] == ["matched", "differs"]
    assert (day["close"]["state"], day["close"]["differing"]) == ("matched", 0)
    assert await reported(api, admin) == ([], ["2026-01-31"])

    await received(api, bought("unknown to them", "1"))
    await accrued(api)
    admin.execute("UPDATE crm.day_close SET look_at = now()")
    await looked(api)
    assert await reported(api, admin) == (["2026-01-31"], ["2026-01-31"] * 2), "told anew"


async def test_what_comes_during_a_look_makes_the_day_due_again(api, admin):
    """The look has read the sums; before it says so, a late transaction comes and is seen by the feed."""
    await received(api, SENT[0], SENT[2])
    await accrued(api)
    await told(api, PURCHASES, RETURNS)
    with psycopg.connect(api.crm.admin_url) as sweep_of_the_feed:
        sweep_of_the_feed.execute("UPDATE crm.day_close SET asks = asks + 1")
        look = asyncio.create_task(looked(api))
        waiting = (
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%crm.day_close%'"
        )
        async with asyncio.timeout(60):
            while admin.execute(waiting).fetchone() is None:
                await asyncio.sleep(0.02)
        await received(api, SENT[1])
    await look
    assert (await one(api))["close"]["state"] == "differs"
    admin.execute("UPDATE crm.day_close SET look_at = now() WHERE look_at IS NOT NULL")
    assert await looked(api) == 1
    assert (await one(api))["close"]["state"] == "matched"


async def test_a_doubled_report_counts_once(api):
    await received(api, *SENT)
    await received(api, *SENT)
    same = await told(api, PURCHASES, RETURNS, key="their-key")
    replayed = await api.post(CLOSES, close(PURCHASES, RETURNS), "their-key")
    assert (replayed.json(), replayed.headers["Idempotency-Replayed"]) == (same, "true")
    assert await told(api, RETURNS, {**PURCHASES, "amount": "3000.5"}, status=200) == same, "in other words"
    assert await looked(api) == 1
    assert (await told(api, PURCHASES, RETURNS, status=200))["state"] == "matched"
    assert await looked(api) == 0


async def test_a_correction_is_told_later_and_compared_anew(api, admin):
    await received(api, *SENT)
    await told(api, PURCHASES)
    await looked(api)
    other = await api.post(CLOSES, close(PURCHASES, RETURNS), **{"Accept-Language": "kk"})
    assert (other.status_code, other.json()["code"]) == (409, "already-exists")
    assert other.json()["existing"] == f"{CLOSES}/2026-01-31"
    assert "closed_at" in other.json()["detail"]
    assert "correction" not in other.json()["detail"]
    assert await reported(api, admin) == (["2026-01-31"], ["2026-01-31"])
    later = at("09:00:00", DAY + timedelta(days=1))
    assert (await told(api, PURCHASES, RETURNS, closed_at=later))["state"] == "told"
    assert await reported(api, admin) == ([], ["2026-01-31"])
    await looked(api)
    assert (await one(api))["close"]["state"] == "matched"
    assert (await api.post(CLOSES, close(PURCHASES))).status_code == 409, "that was before"


async def test_a_close_by_station_says_at_which_one_it_differs(api):
    await received(api, *SENT[:2])
    totals = [
        {**PURCHASES, "station": "АЗС-1", "transactions": 1, "amount": "1000.25"},
        {**PURCHASES, "station": "АЗС-2", "transactions": 1, "amount": "2000.26"},
        {**PURCHASES, "station": "АЗС-3", "transactions": 0, "amount": "0"},
    ]
    await told(api, *totals)
    await looked(api)
    (different,) = (await one(api))["comparisons"][0]["differences"]
    assert (different["station"], different["found_amount"]) == ("АЗС-2", "2000.25")
    assert different["transactions"] == different["found_transactions"] == 1


async def test_a_day_that_was_never_closed_is_missing_by_the_hour(api, admin):
    today = datetime.now(MOSCOW).date()
    yesterday, before = today - timedelta(days=1), today - timedelta(days=2)
    assert (await looked(api), (await api.get(CLOSES)).json()["items"]) == (0, []), (
        "not owed from before it was"
    )
    # Owed a day after the day's end, and that the day before the last was the first to be owed.
    admin.execute(
        "UPDATE crm.data_feed SET interval_minutes = 1440, changed_at = crm.day_end(%s) - interval '1 minute'"
        " WHERE code = 'day-close'",
        (before,),
    )
    await looked(api)
    await looked(api)
    days = (await api.get(f"{CLOSES}?state=missing")).json()["items"]
    assert [item["day"] for item in days] == [before.isoformat()]
    assert (await api.get(f"{CLOSES}/{yesterday}")).status_code == 404, "it has some hours yet"
    for _ in range(2):
        assert await reported(api, admin) == ([before.isoformat()], [before.isoformat()])
    await told(api, day=before)
    await looked(api)
    seen = (await one(api, before))["comparisons"]
    assert [look["state"] for look in seen] == ["matched", "missing"], "nothing was sold"
    assert await reported(api, admin) == ([], [before.isoformat()])


async def test_a_difference_is_not_reported_before_the_close_is_owed(api, admin):
    """What is under way at midnight has until then."""
    yesterday = datetime.now(MOSCOW).date() - timedelta(days=1)
    admin.execute("UPDATE crm.data_feed SET interval_minutes = 1440 WHERE code = 'day-close'")
    await told(api, PURCHASES, day=yesterday, closed_at=at("00:00:00", yesterday + timedelta(days=1)))
    await looked(api)
    assert (await one(api, yesterday))["close"]["state"] == "differs"
    assert await reported(api, admin) == ([], [])
    admin.execute("UPDATE crm.data_feed SET interval_minutes = 1 WHERE code = 'day-close'")
    assert await reported(api, admin) == ([yesterday.isoformat()], [yesterday.isoformat()])


async def test_days_are_listed_the_latest_first_and_page_by_page(api):
    for back in range(5):
        await told(api, day=DAY - timedelta(days=back))
    seen, address = [], f"{CLOSES}?since=2026-01-28&until=2026-01-31&limit=2"
    while address:
        page = (await api.get(address)).json()
        seen += [item["day"] for item in page["items"]]
        address = page["next"]
    assert seen == ["2026-01-30", "2026-01-29", "2026-01-28"]
    assert (await api.get(f"{CLOSES}?state=matched")).json()["items"] == []
    wrong = await api.get(f"{CLOSES}?cursor=AmFiYw")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "cursor-invalid")


async def test_closes_told_at_once_leave_the_latest(api):
    closings = [at(f"0{hour}:00:00", DAY + timedelta(days=1)) for hour in range(1, 9)]
    answers = await asyncio.gather(
        *(api.post(CLOSES, close({**PURCHASES, "transactions": n}, closed_at=moment))
          for n, moment in enumerate(closings))
    )  # fmt: skip
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (await one(api))["close"]["transactions"] == len(closings) - 1


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        (close(PURCHASES, closed_at=at("23:59:59")), "/closed_at"),
        (close(PURCHASES, PURCHASES), "/totals/1"),
        (close(PURCHASES, {**RETURNS, "station": "АЗС-1"}), "/totals/1/station"),
        (close({**PURCHASES, "kind": "gift"}), "/totals/0/kind"),
        (close(closed_at="2099-01-01T00:00:00Z"), "/closed_at"),
    ],
)
async def test_a_close_that_cannot_be_is_refused(api, form, pointer):
    answer = await api.post(CLOSES, form)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_who_may_tell_and_who_may_see(api):
    def person(role):
        return acting_as(access_of(Principal(f"close-{role}", frozenset({role}))))

    with person(Held.PROCESSING):
        await told(api, PURCHASES)
        assert (await api.http.post(f"{CLOSES}/sweeps")).status_code == 403
    await looked(api)
    for role in (Held.HEAD, Held.OPERATOR, Held.ADMINISTRATOR):
        with person(role):
            assert (await one(api))["close"]["state"] == "differs"
            assert (await api.post(CLOSES, close(PURCHASES))).status_code == 403
    for role in (Held.CUSTOMER, Held.CARRIER, Held.CHANNEL):
        with person(role):
            assert (await api.get(CLOSES)).status_code == 403
            assert (await api.get(f"{CLOSES}/2026-01-31")).status_code == 403
