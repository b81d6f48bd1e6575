"""Reports of card transactions through the HTTP API (K2): "просматривать … транзакционные отчеты"."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from app.access.policy import Role as Held
from app.access.principal import TRUSTED
from app.cards.rules import PROCESSING_ZONE
from app.reports.repository import turnover
from app.reports.schemas import Grouping
from tests.integration.app.sales import asking

TURNOVER, FEED, CUSTOMERS = "/api/v1/turnover", "/api/v1/card-transactions/batch", "/api/v1/customers"
# Midnight in Moscow, three hours before the month that PostgreSQL keeps the purchases by begins.
MONTH = datetime.now(PROCESSING_ZONE).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
BEFORE = (MONTH - timedelta(days=1)).replace(day=1)
WAIT_SECONDS = 120.0
NOBODY = "00000000-0000-0000-0000-000000000001"


class Sold(NamedTuple):
    """A customer with two cards, and the two stations where they were used."""

    customer: str
    cards: tuple[str, str]
    known: str
    unknown: str


def purchase(id_, token, at, station, **changes):
    return {
        "processing_id": id_, "card_token": token, "station": station, "product": "AI-95", "currency": "RUB",
        "quantity": "1", "amount": "1", "occurred_at": at.isoformat(), **changes,
    }  # fmt: skip


def add_card(admin, customer, token):
    return str(
        admin.execute(
            "INSERT INTO crm.card (id, token, bin, last_four, number_sealed, key_version, customer_id,"
            " status, products, stations, version, created_at, changed_at)"
            " VALUES (crm.new_id(), %s, '700000', '4242', '', 1, %s, 'active', '{}', '{}', 1, now(), now())"
            " RETURNING id",
            (token, customer),
        ).fetchone()[0]
    )


@pytest.fixture
async def sold(api, admin, customer, number):
    """Five purchases and a return, the second at 21:30 UTC before the month: Moscow's month."""
    admin.execute(
        "UPDATE crm.customer SET zone_manager = 'ivanov', zone_unit = 'north', zone_region = '54',"
        " zone_partner = 'distributor' WHERE id = %s",
        (customer["id"],),
    )
    known, unknown, tokens = f"АЗС-{number}", f"=АЗС-{number}", (f"t-{number}-1", f"t-{number}-2")
    station = {"code": f"s-{number}", "title": "АЗС", "known_as": known, "region": "54"}
    assert (await api.post("/api/v1/stations", station)).status_code == 201
    cards = tuple(add_card(admin, customer["id"], token) for token in tokens)
    of_station = (
        (tokens[0], BEFORE + timedelta(days=2), "10", "600", "AI-95"),
        (tokens[0], MONTH + timedelta(minutes=30), "40.5", "2200.50", "AI-95"),
        (tokens[0], MONTH + timedelta(days=1), "30", "1800", "DT"),
        (tokens[0], MONTH + timedelta(days=1, hours=1), "-5", "-300", "DT"),
    )
    bought = [
        purchase(f"{number}:{n}", token, at, known, quantity=quantity, amount=amount, product=product)
        for n, (token, at, quantity, amount, product) in enumerate(of_station)
    ]
    at, abroad = MONTH + timedelta(days=2), {"product": "coffee", "currency": "KZT"}
    bought += [
        purchase(f"{number}:4", tokens[1], at, unknown, quantity="2", amount="900", **abroad),
        purchase(f"{number}:5", tokens[1], at, unknown, quantity="20", amount="1200"),
    ]
    answer = await api.post(FEED, {"transactions": bought})
    assert answer.json() == {"accepted": 6, "duplicates": []}
    return Sold(customer["id"], cards, known, unknown)


def query(by, since=BEFORE, until=MONTH + timedelta(days=4), **more):
    moments = {name: at.astimezone(UTC).isoformat() for name, at in (("since", since), ("until", until))}
    return {"by": by, **moments, **more}


async def asked(api, by, status=200, **more):
    answer = await api.http.get(TURNOVER, params=query(by, **more))
    assert answer.status_code == status, answer.text
    return answer.json() if status != 200 else [tuple(row.values()) for row in answer.json()["items"]]


async def test_a_customers_purchases_add_up_however_they_are_grouped(api, sold):
    """Of one measure and one currency each; a return is taken off."""
    mine = {"customer_id": sold.customer}
    litres, abroad = ("litre", "RUB"), (None, "KZT", 1, "2.000", "900.00")
    assert await asked(api, "station", **mine) == [
        (sold.known, *litres, 4, "75.500", "4300.50"),
        (sold.unknown, *litres, 1, "20.000", "1200.00"),
        (sold.unknown, *abroad),
    ]
    assert await asked(api, "region", **mine) == [
        ("54", *litres, 4, "75.500", "4300.50"),
        (None, *litres, 1, "20.000", "1200.00"),
        (None, *abroad),
    ]
    assert await asked(api, "product", **mine) == [
        ("AI-95", *litres, 3, "70.500", "4000.50"),
        ("DT", *litres, 2, "25.000", "1500.00"),
        ("coffee", *abroad),
    ]
    assert await asked(api, "card", **mine) == [
        (sold.cards[0], *litres, 4, "75.500", "4300.50"),
        (sold.cards[1], *litres, 1, "20.000", "1200.00"),
        (sold.cards[1], *abroad),
    ]


async def test_days_and_months_begin_at_midnight_in_moscow(api, sold):
    mine, litres = {"customer_id": sold.customer}, ("litre", "RUB")
    assert await asked(api, "month", **mine) == [
        (f"{BEFORE:%Y-%m}", *litres, 1, "10.000", "600.00"),
        (f"{MONTH:%Y-%m}", *litres, 4, "85.500", "4900.50"),
        (f"{MONTH:%Y-%m}", None, "KZT", 1, "2.000", "900.00"),
    ]
    days = await asked(api, "day", card_id=sold.cards[0])
    assert days == [
        (f"{BEFORE + timedelta(days=2):%Y-%m-%d}", *litres, 1, "10.000", "600.00"),
        (f"{MONTH:%Y-%m-%d}", *litres, 1, "40.500", "2200.50"),
        (f"{MONTH + timedelta(days=1):%Y-%m-%d}", *litres, 2, "25.000", "1500.00"),
    ]
    first = {"since": MONTH, "until": MONTH + timedelta(days=1)}
    assert [row[0] for row in await asked(api, "day", **mine, **first)] == [f"{MONTH:%Y-%m-%d}"]


async def test_the_same_as_csv_and_from_a_replica(api, sold):
    parameters = query("station", customer_id=sold.customer, format="csv")
    answer = await api.http.get(TURNOVER, params=parameters, headers={"Twinsite-Staleness": "any"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "Twinsite-Replica" not in answer.headers, "the nearest server is the primary"
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["key"], line["quantity"], line["amount"]) for line in lines] == [
        (sold.known, "75.500", "4300.50"),
        (f"'{sold.unknown}", "20.000", "1200.00"),
        (f"'{sold.unknown}", "2.000", "900.00"),
    ]


@pytest.mark.safety
async def test_everybody_sees_the_turnover_of_the_cards_in_reach(api, sold):
    period = {"since": MONTH, "until": MONTH + timedelta(days=31)}
    for role, within, outside in (
        (Held.SALES_MANAGER, {"name": "ivanov"}, {"name": "petrova"}),
        (Held.SERVICE_MANAGER, {"units": ("north",)}, {"units": ("south",)}),
        (Held.HEAD, {"regions": ("54",)}, {"regions": ("77",)}),
        (Held.PARTNER_MANAGER, {"partner": "distributor"}, {"partner": "rival"}),
        (Held.OPERATOR, {}, None),
    ):
        with asking(*_who(role, within), **_zone(within)):
            assert {sold.known, sold.unknown} <= {row[0] for row in await asked(api, "station", **period)}
            assert {row[0] for row in await asked(api, "card", **period)} >= set(sold.cards)
        if outside is None:
            continue
        with asking(*_who(role, outside), **_zone(outside)):
            told = str([await asked(api, by.value, **period) for by in Grouping])
            assert not any(word in told for word in (sold.known, sold.unknown, *sold.cards)), (role, outside)
            assert (await asked(api, "day", 404, customer_id=sold.customer))["code"] == "not-found"
            assert (await asked(api, "day", 404, card_id=sold.cards[0]))["code"] == "not-found"


def _who(role, held):
    return held.get("name", "x"), role


def _zone(held):
    return {name: value for name, value in held.items() if name != "name"}


@pytest.mark.safety
async def test_in_the_portal_the_own_cards_only_without_naming_the_company(api, admin, company, sold, number):
    other = (await api.post(CUSTOMERS, company(kpp="770102001"))).json()["id"]
    theirs = add_card(admin, other, f"t-{number}-3")
    bought = purchase(f"{number}:9", f"t-{number}-3", MONTH, sold.known)
    assert (await api.post(FEED, {"transactions": [bought]})).json()["accepted"] == 1
    with asking("x", Held.CUSTOMER, customer=sold.customer):
        shown = await asked(api, "card", since=MONTH - timedelta(days=360))
        assert {row[0] for row in shown} == set(sold.cards)
        assert sum(row[3] for row in shown) == 6
        await asked(api, "card", 404, customer_id=other)
        await asked(api, "card", 404, card_id=theirs)


@pytest.mark.safety
@pytest.mark.parametrize("role", [Held.AUDITOR, Held.CHANNEL, Held.PROCESSING, Held.CARRIER])
async def test_who_answers_for_no_cards_gets_no_report(api, role):
    with asking("x", role):
        assert (await asked(api, "day", 403))["code"] == "forbidden"


async def recorded(admin, principal, count):
    """The subjects of what the principal was shown, in the order of it."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            rows = admin.execute(
                "SELECT subjects FROM crm.audit_pending WHERE kind = 'disclosure' AND principal = %s"
                " AND operation = %s ORDER BY id",
                (principal, f"GET {TURNOVER}"),
            ).fetchall()
            if len(rows) >= count:
                return [set(subjects) for (subjects,) in rows]
            await asyncio.sleep(0.05)


@pytest.mark.safety
@pytest.mark.parametrize("shape", ["json", "csv"])
async def test_whoever_is_shown_somebodys_turnover_is_recorded(api, admin, sold, number, shape):
    """With whose it was, as of the card's purchases; sums over all in reach are nobody's."""
    company, cards = f"customers/{sold.customer}", {f"cards/{card}" for card in sold.cards}
    idle = {"since": MONTH + timedelta(days=20), "until": MONTH + timedelta(days=21)}
    asker = f"asker-{number}-{shape}"
    reads = [
        ({"by": "day", "customer_id": sold.customer}, {company}),
        ({"by": "station", "card_id": sold.cards[0]}, {f"cards/{sold.cards[0]}"}),
        ({"by": "card", "customer_id": sold.customer}, {company, *cards}),
        ({"by": "card", "since": MONTH}, cards),
        ({"by": "day", "customer_id": sold.customer, **idle}, {company}),
        ({"by": "station", "since": MONTH}, set()),
    ]
    with asking(asker, Held.HEAD, regions=("54",)):
        for parameters, _ in reads:
            answer = await api.http.get(TURNOVER, params=query(**parameters, format=shape))
            assert answer.status_code == 200, answer.text
        assert (await asked(api, "day", 404, card_id=NOBODY))["code"] == "not-found"
    found = await recorded(admin, asker, len(reads))
    assert len(found) == len(reads)
    for subjects, (parameters, expected) in zip(found, reads, strict=True):
        others = parameters == {"by": "card", "since": MONTH}  # cards of other tests may lie in the region
        assert subjects >= expected if others else subjects == expected, parameters
    with asking(f"own-{number}", Held.CUSTOMER, customer=sold.customer):
        await asked(api, "month")
    assert await recorded(admin, f"own-{number}", 1) == [{company}]


async def test_a_period_has_an_end(api, sold):
    """A year of a customer, of a card, and of all cards; a month of those of a zone, and of all by card."""
    head, operator = {"regions": ("54",)}, {}
    for days, by, more, zone, status in (
        (366, "day", {}, operator, 200),
        (367, "day", {}, operator, 422),
        (31, "card", {}, operator, 200),
        (32, "card", {}, operator, 422),
        (31, "day", {}, head, 200),
        (32, "day", {}, head, 422),
        (366, "day", {"customer_id": sold.customer}, head, 200),
        (367, "day", {"card_id": sold.cards[0]}, head, 422),
    ):
        with asking("x", Held.HEAD if zone else Held.OPERATOR, **zone):
            answer = await api.http.get(
                TURNOVER, params=query(by, MONTH - timedelta(days=days), MONTH, **more)
            )
        assert answer.status_code == status, answer.text
        if status == 422:
            assert answer.json()["errors"][0]["code"] == "period-too-long"
    assert await asked(api, "day", since=MONTH, until=BEFORE, customer_id=sold.customer) == []


TYPES = {
    "since": "timestamptz", "until": "timestamptz", "customer_id": "uuid", "trace": "text",
    "fresh": "boolean", "as_principal": "text", "as_reads": "text",
}  # fmt: skip


@pytest.mark.parametrize("filters", [frozenset(), frozenset({"customer_id"})], ids=["of all", "of one"])
@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
def test_only_the_month_of_the_period_is_read(crm, filters, plans):
    """As the API executes it: prepared, and at last with one plan for all periods."""
    period = {"since": MONTH + timedelta(days=1), "until": MONTH + timedelta(days=9)}
    given = {**TRUSTED.parameters, **period, "customer_id": NOBODY, "trace": "x", "fresh": False}
    named = turnover(Grouping.DAY, filters).sql % {name: f"${n}" for n, name in enumerate(TYPES, 1)}
    values = sql.SQL(", ").join(sql.Literal(given[name]) for name in TYPES)
    with psycopg.connect(crm.url(), autocommit=True) as app:
        app.execute("SELECT set_config('plan_cache_mode', %s, false)", (plans,))
        app.execute(f"PREPARE report ({', '.join(TYPES.values())}) AS {named}")
        explained = app.execute(sql.SQL("EXPLAIN (COSTS OFF, ANALYZE) EXECUTE report ({})").format(values))
        plan = "\n".join(row[0] for row in explained)
    months = set(re.findall(r"card_transaction_detail_(\d{4}_\d\d|other)", plan))
    assert months == {f"{MONTH:%Y_%m}"}, plan
