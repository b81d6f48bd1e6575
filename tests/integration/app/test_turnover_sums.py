"""Turnover over all cards comes from sums that the worker keeps, and is what the purchases add up to (K2)."""

from __future__ import annotations

import asyncio
import csv
import io
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as
from app.cards.rules import PROCESSING_ZONE
from app.database.answer import Command
from app.reports import summing
from app.reports.schemas import Grouping
from app.worker import term
from app.worker.jobs import JOBS
from tests.integration.app.sales import asking
from tests.integration.app.test_turnover import add_card, purchase

pytestmark = pytest.mark.safety

TURNOVER, FEED = "/api/v1/turnover", "/api/v1/card-transactions/batch"
COMMAND = Command("crm test", term.PRINCIPAL, None, b"", 30.0, audited=False)
(SUM,) = (job.work for job in JOBS if job.name == "sum-turnover")
WAIT_SECONDS = 120.0
NOW = datetime.now(PROCESSING_ZONE).replace(second=0, microsecond=0)
TODAY = NOW.replace(hour=0, minute=0)
MONTH = TODAY.replace(day=1)
BEFORE = (MONTH - timedelta(days=1)).replace(day=1)
YEAR = (NOW - timedelta(days=360), NOW + timedelta(days=5))
PERIODS = {
    "a year": YEAR,
    "the month before": (BEFORE, MONTH),
    "up to now": (MONTH - timedelta(days=40), NOW),
    "odd moments": (TODAY - timedelta(days=33, hours=-7, minutes=-11), TODAY - timedelta(hours=5, minutes=3)),
    "hours of a day": (TODAY - timedelta(hours=15), TODAY - timedelta(hours=8)),
    "days": (TODAY - timedelta(days=9), TODAY + timedelta(days=2)),
    "nothing": (NOW, NOW - timedelta(days=3)),
}
KEYS = {
    Grouping.STATION: "d.station",
    Grouping.REGION: "s.region",
    Grouping.PRODUCT: "d.product",
    Grouping.CARD: "c.id::text",
    Grouping.DAY: "to_char(d.occurred_at AT TIME ZONE 'Europe/Moscow', 'YYYY-MM-DD')",
    Grouping.MONTH: "to_char(d.occurred_at AT TIME ZONE 'Europe/Moscow', 'YYYY-MM')",
}


class Base:
    """A database of its own with two customers, of whom Ivanov sells to the first, and a feed."""

    def __init__(self, api, admin, number):
        self.api, self.admin, self.number = api, admin, number
        self.random = random.Random(7)  # noqa: S311 - the same purchases each time
        self.sent = 0

    async def open(self, company):
        stations = [(f"s-{n}", f"АЗС-{n}", region) for n, region in enumerate(("54", "54", "77"))]
        for code, known_as, region in stations:
            form = {"code": code, "title": code, "known_as": known_as, "region": region}
            assert (await self.api.post("/api/v1/stations", form)).status_code == 201
        self.customers = []
        for kpp in ("770101001", "770102001"):
            answer = await self.api.post("/api/v1/customers", company(kpp=kpp))
            self.customers.append(answer.json()["id"])
        self.admin.execute(
            "UPDATE crm.customer SET zone_manager = 'ivanov', zone_region = '54' WHERE id = %s",
            (self.customers[0],),
        )
        self.tokens = [f"card-{n}" for n in range(6)]
        for token, customer in zip(self.tokens, self.customers * 3, strict=True):
            add_card(self.admin, customer, token)
        return self

    def form(self, token, at, **changes):
        self.sent += 1
        return {**purchase(f"p-{self.sent}", token, at, "АЗС-0"), **changes}

    def some(self):
        """A purchase of the last seventy days or of tomorrow, three of a hundred with nobody's card."""
        product, currency = self.random.choice((("AI-95", "RUB"), ("DT", "RUB"), ("coffee", "KZT")))
        amount = Decimal(self.random.randint(-20000, 300000)) / 100
        return self.form(
            self.random.choice(self.tokens) if self.random.random() > 0.03 else "nobody",
            NOW + timedelta(days=1) - timedelta(minutes=self.random.randint(0, 71 * 24 * 60)),
            station=f"АЗС-{self.random.randint(0, 3)}", product=product, currency=currency,
            quantity=str((amount / 50).quantize(Decimal("0.001"))), amount=str(amount),
        )  # fmt: skip

    async def feed(self, *forms):
        answer = await self.api.post(FEED, {"transactions": forms})
        assert answer.json() == {"accepted": len(forms), "duplicates": []}, answer.text

    async def answer(self, by, since, until, **more):
        moments = {name: at.astimezone(UTC).isoformat() for name, at in (("since", since), ("until", until))}
        return await self.api.http.get(TURNOVER, params={"by": by, **moments, **more})

    async def told(self, by=Grouping.DAY, period=YEAR, **more):
        answer = await self.answer(by, *period, **more)
        assert answer.status_code == 200, answer.text
        return sorted(map(str, (tuple(row.values()) for row in answer.json()["items"])))

    def direct(self, by=Grouping.DAY, period=YEAR):
        """What the purchases say, each looked at."""
        statement = f"""
            SELECT {KEYS[by]}, p.measure, d.currency, count(*), sum(d.quantity)::text, sum(d.amount)::text
            FROM crm.card_transaction_detail d JOIN crm.card c ON c.token = d.card_token
            LEFT JOIN crm.product p ON p.known_as = d.product
            LEFT JOIN crm.station s ON s.known_as = d.station
            WHERE d.occurred_at >= %s AND d.occurred_at < %s GROUP BY 1, 2, 3"""  # noqa: S608 - constants
        return sorted(str(row) for row in self.admin.execute(statement, period))

    async def amount(self):
        """Over all, and the number of purchases."""
        rows = (await self.answer(Grouping.MONTH, *YEAR)).json()["items"]
        return sum(Decimal(row["amount"]) for row in rows), sum(row["transactions"] for row in rows)

    def kept(self):
        """The number of purchases in the sums."""
        statement = "SELECT coalesce(sum(transactions), 0)::integer FROM crm.turnover_sum WHERE span = 'day'"
        return self.admin.execute(statement).fetchone()[0]

    def counting(self):
        """How many purchases there are of somebody's card."""
        statement = (
            "SELECT count(*) FROM crm.card_transaction_detail d JOIN crm.card c ON c.token = d.card_token"
        )
        return self.admin.execute(statement).fetchone()[0]

    async def step(self):
        with acting_as(term.ACCESS):
            return await SUM(self.api.database, COMMAND)

    async def sum_up(self, count=None):
        """The job until so many, or all, are in the sums; transactions elsewhere on the server delay it."""
        count = self.counting() if count is None else count
        async with asyncio.timeout(WAIT_SECONDS):
            while self.kept() < count:
                if not await self.step():
                    await asyncio.sleep(0.02)
        assert self.kept() == count


@pytest.fixture
async def base(own, company, number):
    with psycopg.connect(own.crm.admin_url, autocommit=True) as admin:
        yield await Base(own, admin, number).open(company)


async def assert_same(base, *periods):
    for name in periods or PERIODS:
        since, until = PERIODS[name]
        for by in Grouping:
            if by is Grouping.CARD and until - since > timedelta(days=31):
                continue  # of which there are no sums
            told, direct = await base.told(by, (since, until)), base.direct(by, (since, until))
            assert told == direct, (name, by)


async def test_whatever_is_summed_yet_the_answer_is_what_the_purchases_say(base, monkeypatch):
    """Fed and summed in turns, in small batches, late ones of any day among them."""
    monkeypatch.setattr(summing, "BATCH", 20)
    for _ in range(5):
        for _ in range(3):
            await base.feed(*(base.some() for _ in range(17)))
        await base.step()
        await assert_same(base, "a year", "up to now", "odd moments")
    await base.sum_up()
    await assert_same(base)
    assert len(base.direct(Grouping.DAY)) > 60, "hardly anything was compared"


async def test_a_late_purchase_of_a_past_day_counts_at_once_and_once(base):
    await base.feed(base.form("card-0", MONTH - timedelta(days=20), amount="100"))
    await base.sum_up()
    late = base.form("card-1", MONTH - timedelta(days=20), amount="7")
    await base.feed(late)
    assert base.kept() == 1
    assert await base.amount() == (107, 2)
    await base.sum_up()
    assert await base.amount() == (107, 2)
    again = await base.api.post(FEED, {"transactions": [late]})
    assert again.json()["duplicates"] == [late["processing_id"]]
    await base.step()
    assert (await base.amount(), base.kept()) == ((107, 2), 2)


def take(session, form):
    session.execute(
        "SELECT crm.take_card_transaction(%(processing_id)s, %(card_token)s, %(station)s, %(product)s,"
        " %(quantity)s::numeric, %(amount)s::numeric, %(currency)s, %(occurred_at)s::timestamptz, now())",
        form,
    )


async def test_one_that_commits_after_the_worker_has_been_there_is_not_passed_by(base):
    """It began before what the worker sums up, brings an old day, and commits at last."""
    with psycopg.connect(base.api.crm.admin_url) as slow:
        take(slow, base.form("card-0", MONTH - timedelta(days=20), amount="1000"))
        await base.feed(base.form("card-1", NOW, amount="5"))
        for _ in range(3):
            await base.step()
        assert await base.amount() == (5, 1)
        slow.commit()
    assert await base.amount() == (1005, 2)
    await base.sum_up()
    assert await base.amount() == (1005, 2)
    await assert_same(base, "a year")


async def test_a_worker_that_is_interrupted_leaves_nothing_half_done(base, monkeypatch):
    await base.feed(*(base.some() for _ in range(40)))

    write = base.api.database.write

    async def fall_over(command, work):
        async def written_but_not_committed(unit):
            await work(unit)
            return await unit.one("SELECT 1 / 0", {}, tuple)

        return await write(command, written_but_not_committed)

    monkeypatch.setattr(base.api.database, "write", fall_over)
    with pytest.raises(psycopg.errors.DivisionByZero):
        await base.step()
    monkeypatch.undo()
    assert base.kept() == 0
    await assert_same(base, "a year")
    await base.sum_up()
    await assert_same(base, "a year")


async def test_a_worker_that_lost_its_office_adds_nothing(base):
    deposed = await term.begin(base.api.database, "one", 30.0)
    await term.begin(base.api.database, "another", 30.0)
    await base.feed(base.form("card-0", NOW, amount="5"))
    with acting_as(term.ACCESS), pytest.raises(psycopg.Error, match="another worker"):
        await SUM(base.api.database, deposed.command("sum-turnover"))
    assert (base.kept(), await base.amount()) == (0, (5, 1))


async def test_several_at_once_add_each_purchase_once(base, monkeypatch):
    monkeypatch.setattr(summing, "BATCH", 10)
    for _ in range(8):
        await base.feed(*(base.some() for _ in range(10)))
    async with asyncio.timeout(WAIT_SECONDS):
        while base.kept() < base.counting():
            await asyncio.gather(*(base.step() for _ in range(4)), return_exceptions=True)
    assert base.kept() == base.counting()
    await assert_same(base, "a year")


async def test_a_purchase_counts_from_when_its_card_is_there(base):
    await base.feed(base.form("late", MONTH - timedelta(days=3), amount="11"))
    await base.feed(base.form("card-0", NOW, amount="2"))
    await base.sum_up()
    assert await base.amount() == (2, 1)
    add_card(base.admin, base.customers[1], "late")
    assert await base.amount() == (13, 2)
    await base.sum_up()
    assert await base.amount() == (13, 2)
    await assert_same(base, "a year", "days")


async def test_who_reaches_some_cards_is_shown_theirs_alone(base):
    """From the purchases, whatever is in the sums, which row-level security keeps from them."""
    await base.feed(base.form("card-0", NOW, amount="3"), base.form("card-1", NOW, amount="40"))
    await base.sum_up()
    await base.feed(base.form("card-2", NOW, amount="500"))
    period = (MONTH, NOW + timedelta(minutes=1))
    partial = (
        ("ivanov", Held.SALES_MANAGER, {}, "503.00"),
        ("x", Held.HEAD, {"regions": ("54",)}, "503.00"),
        ("x", Held.HEAD, {"regions": ("77",)}, None),
        ("x", Held.CUSTOMER, {"customer": base.customers[1]}, "40.00"),
        ("x", Held.OPERATOR, {}, "543.00"),
    )
    for name, role, zone, amount in partial:
        with asking(name, role, **zone):
            for by in Grouping:
                items = (await base.answer(by, *period)).json()["items"]
                found = sum(Decimal(row["amount"]) for row in items)
                assert found == Decimal(amount or 0), (role, zone, by)
    for role, status in ((Held.HEAD, 422), (Held.OPERATOR, 200)):
        with asking("x", role, regions=("54",)):
            assert (await base.answer(Grouping.STATION, *YEAR)).status_code == status
            by_card = await base.answer(Grouping.CARD, *YEAR)
            assert by_card.json()["errors"][0]["code"] == "period-too-long"


@pytest.mark.parametrize(
    ("role", "zone", "rows"), [(Held.OPERATOR, {}, 3), (Held.HEAD, {"regions": ("54",)}, 0)]
)
async def test_the_database_itself_keeps_the_sums_from_who_does_not_reach_all(base, role, zone, rows):
    await base.feed(base.form("card-0", NOW))
    await base.sum_up()
    access = access_of(Principal("x", frozenset({role}), **zone))
    live = "SELECT * FROM crm.turnover_live('', '2000-01-01', '2100-01-01', false)"
    with psycopg.connect(base.api.crm.url(), autocommit=True) as app:
        for name in ("reads", "creates", "changes"):
            app.execute("SELECT set_config(%s, %s, false)", (f"crm.{name}", access.parameters[f"as_{name}"]))
        assert app.execute("SELECT count(*) FROM crm.turnover_sum").fetchone() == (rows,)
        assert app.execute("UPDATE crm.turnover_sum SET amount = 0").rowcount == 0
        assert app.execute("UPDATE crm.turnover_progress SET received_by = '0'").rowcount == 0
        if rows:
            assert len(app.execute(live).fetchall()) == 1
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(live)


async def test_sums_outlast_the_month_they_were_made_of(base):
    await base.feed(base.form("card-0", MONTH + timedelta(hours=5), amount="9"))
    await base.feed(base.form("card-1", MONTH - timedelta(days=5), amount="30"))
    await base.sum_up()
    base.admin.execute(f"DROP TABLE crm.card_transaction_detail_{MONTH:%Y_%m}".encode())
    period = (BEFORE, MONTH + timedelta(days=20))
    told = await base.answer(Grouping.STATION, *period)
    assert [(row["transactions"], row["amount"]) for row in told.json()["items"]] == [(2, "39.00")]
    assert await base.amount() == (39, 2)


async def test_summed_up_anew_from_the_beginning_it_is_the_same(base):
    await base.feed(*(base.some() for _ in range(40)))
    await base.sum_up()
    base.admin.execute("TRUNCATE crm.turnover_sum")
    base.admin.execute("UPDATE crm.turnover_progress SET received_by = '0'")
    await assert_same(base, "a year")
    await base.sum_up()
    await assert_same(base, "a year")


async def test_as_csv_and_from_a_replica_the_same(base):
    await base.feed(*(base.some() for _ in range(30)))
    await base.sum_up()
    await base.feed(*(base.some() for _ in range(5)))
    moments = {
        name: at.astimezone(UTC).isoformat() for name, at in zip(("since", "until"), YEAR, strict=True)
    }
    answer = await base.api.http.get(
        TURNOVER, params={"by": "station", **moments, "format": "csv"}, headers={"Twinsite-Staleness": "any"}
    )
    rows = [(line["key"], line["amount"]) for line in csv.DictReader(io.StringIO(answer.text))]
    items = (await base.answer(Grouping.STATION, *YEAR)).json()["items"]
    assert rows == [(item["key"], item["amount"]) for item in items]
    assert [Decimal(amount) for _, amount in rows] == sorted((Decimal(a) for _, a in rows), reverse=True)
