"""Stock of stations through the HTTP API (K4): "наличие топлива на конкретной станции", "не допустить
переизбыток или недостаток топлива", "рассылка отчетов по наличию критически необходимых данных".
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.access.policy import Role as Held
from app.access.principal import Principal, access_of, acting_as

REPORTS, STOCK, MISSING = "/api/v1/stock-reports", "/api/v1/stock", "/api/v1/missing-data"


@pytest.fixture
def station(api, number):
    """Makes a station that nobody has made; its code and its name in the feeds."""

    async def make(place=0, region="77"):
        code, known_as = f"azs-{number}-{place}", f"АЗС-{number}-{place}"
        form = {"code": code, "title": f"АЗС № {place}", "known_as": known_as, "region": region}
        answer = await api.post("/api/v1/stations", form)
        assert answer.status_code == 201, answer.text
        return code, known_as

    return make


@pytest.fixture
def now():
    """When the test began: one moment for all that it says."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def report(now):
    """Makes a report of a level as it was some hours before the test."""

    def make(known_as, level, hours_ago=0, product="AI-95", **more):
        at = (now - timedelta(hours=hours_ago)).isoformat()
        return {"station": known_as, "product": product, "at": at, "level": str(level), **more}

    return make


async def sent(api, *reports):
    answer = await api.post(REPORTS, {"reports": list(reports)})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stock_of(api, code, product="ai-95"):
    items = (await api.get(f"{STOCK}?station={code}&product={product}")).json()["items"]
    return items[0] if items else None


async def test_levels_give_the_rate_of_sales_and_the_days_that_are_left(api, station, report):
    code, known_as = await station()
    assert await sent(api, report(known_as, 10_000, 24, capacity="30000")) == {"accepted": 1, "outdated": 0}
    first = await stock_of(api, code)
    assert (first["level"], first["sold_per_day"], first["alarm"]) == ("10000.000", None, None)
    await sent(api, report(known_as, 9_000, 12))
    await sent(api, report(known_as, 13_000, 0, delivered="5000"))
    now = await stock_of(api, code)
    assert (now["sold_per_day"], now["days_of_cover"], now["capacity"]) == ("2000.000", "6.5", "30000.000")
    assert now["station_title"] == "АЗС № 0"


async def test_a_shortage_is_told_when_it_begins_and_when_it_is_over(api, station, admin, report):
    code, known_as = await station()
    await sent(api, report(known_as, 10_000, 48), report(known_as, 6_000, 24))
    await sent(api, report(known_as, 2_000, 2))
    short = await stock_of(api, code)
    assert short["alarm"] == "shortage"
    listed = (await api.get(f"{STOCK}?alarm=shortage&station={code}")).json()["items"]
    assert [item["product"] for item in listed] == ["ai-95"]
    await sent(api, report(known_as, 1_900, 1))
    assert (await stock_of(api, code))["alarm_since"] == short["alarm_since"], "it goes on"
    await sent(api, report(known_as, 21_000, 0, delivered="20000"))
    assert (await stock_of(api, code))["alarm"] is None
    told = admin.execute(
        "SELECT data->>'alarm' FROM crm.outbox WHERE entity = %(entity)s"
        " UNION ALL SELECT data->>'alarm' FROM crm.event WHERE entity = %(entity)s",
        {"entity": f"stock:{code}:ai-95"},
    ).fetchall()
    assert sorted(told, key=str) == [("shortage",), (None,)]


async def test_too_much_is_an_alarm_too(api, station, report):
    code, known_as = await station()
    await sent(api, report(known_as, 29_000, 0, capacity="30000"))
    assert (await stock_of(api, code))["alarm"] == "surplus"


async def test_late_and_repeated_reports_change_nothing(api, station, report):
    code, known_as = await station()
    await sent(api, report(known_as, 9_000, 1))
    assert await sent(api, report(known_as, 9_500, 2), report(known_as, 1, 1)) == {
        "accepted": 0,
        "outdated": 2,
    }
    assert (await stock_of(api, code))["level"] == "9000.000"


async def test_a_report_from_the_future_is_refused(api, station, report):
    _, known_as = await station()
    answer = await api.post(REPORTS, {"reports": [report(known_as, 1, -1)]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/reports/0/at")


async def test_many_reports_at_once_keep_the_newest(api, station, report):
    code, known_as = await station()
    await asyncio.gather(*(sent(api, report(known_as, 1000 + hours, hours)) for hours in range(8)))
    assert (await stock_of(api, code))["level"] == "1000.000"


async def test_an_unknown_name_is_named_and_nothing_is_taken(api, station, report):
    code, known_as = await station()
    body = {"reports": [report(known_as, 1), report("АЗС-нет", 1), report(known_as, 1, product="нет")]}
    answer = await api.post(REPORTS, body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "/reports/1/station",
        "/reports/2/product",
    ]
    assert await stock_of(api, code) is None


async def test_stock_is_listed_page_by_page_and_summed_up_by_region(api, station, admin, report):
    region = "87"  # nobody else's in these tests
    codes = [await station(place, region) for place in range(3)]
    products = ("AI-92", "AI-95")
    await sent(
        api, *(report(known_as, 100, product=product) for _, known_as in codes for product in products)
    )
    seen, address = [], f"{STOCK}?region={region}&limit=4"
    while address:
        page = (await api.get(address)).json()
        seen += [(item["station"], item["product"]) for item in page["items"]]
        address = page["next"]
    assert seen == sorted((code, product.lower()) for code, _ in codes for product in products)
    summed = (await api.get(f"{STOCK}/regions?product=ai-92")).json()["items"]
    mine = next(item for item in summed if item["region"] == region)
    assert (mine["stations"], mine["level"]) == (3, "300.000")
    wrong = await api.get(f"{STOCK}?cursor=AAAA")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "cursor-invalid")


async def owed(api, feed):
    items, address = [], f"{MISSING}?feed={feed}&limit=200"
    while address:
        page = (await api.get(address)).json()
        items += page["items"]
        address = page["next"]
    return {item["source"] for item in items}


async def swept(api):
    while (await api.http.post(f"{MISSING}/sweeps")).json()["reported"]:
        pass


def told(admin, entity):
    row = admin.execute(
        "SELECT (SELECT count(*) FROM crm.outbox WHERE entity = %(entity)s)"
        " + (SELECT count(*) FROM crm.event WHERE entity = %(entity)s)",
        {"entity": entity},
    ).fetchone()
    return row[0]


async def test_a_system_that_has_gone_silent_is_told_of_once(api, number, admin, now):
    feed = f"loyalty-{number}"
    title = {"ru": "Лояльность", "en": "Loyalty", "kk": "Адалдық"}
    form = {"code": feed, "title": title, "interval_minutes": 30, "by_station": False}
    assert (await api.post("/api/v1/data-feeds", form)).status_code == 201
    assert await owed(api, feed) == set(), "it has half an hour from its entering"
    late = {"feed": feed, "at": (now - timedelta(hours=1)).isoformat()}
    assert (await api.post("/api/v1/data-arrivals", late)).status_code == 201
    assert await owed(api, feed) == {""}
    await swept(api)
    await swept(api)
    assert told(admin, f"data-feed:{feed}:") == 1
    assert (await api.post("/api/v1/data-arrivals", {"feed": feed, "at": now.isoformat()})).status_code == 201
    assert await owed(api, feed) == set()
    await swept(api)
    admin.execute("UPDATE crm.data_arrival SET last_at = now() - interval '1 day' WHERE feed = %s", (feed,))
    await swept(api)
    assert told(admin, f"data-feed:{feed}:") == 2, "silent again"
    unknown = await api.post("/api/v1/data-arrivals", {"feed": "nobody", "at": now.isoformat()})
    assert unknown.json()["errors"][0]["pointer"] == "/feed"


async def test_a_station_whose_levels_stay_away_is_missing(api, station, admin, report):
    silent, speaking = await station(0), await station(1)
    admin.execute(
        "UPDATE crm.station SET changed_at = now() - interval '1 day' WHERE code = ANY(%s)",
        ([silent[0], speaking[0]],),
    )
    admin.execute("UPDATE crm.data_feed SET changed_at = now() - interval '1 day' WHERE code = 'stock'")
    await sent(api, report(speaking[1], 100))
    missing = await owed(api, "stock")
    assert silent[0] in missing
    assert speaking[0] not in missing
    await sent(api, report(silent[1], 100))
    assert silent[0] not in await owed(api, "stock")


async def test_the_processing_feed_is_missed_by_what_it_brings(api, number, admin, now):
    admin.execute("UPDATE crm.card_transaction_detail SET received_at = now() - interval '1 hour'")
    admin.execute("UPDATE crm.data_feed SET changed_at = now() - interval '1 day' WHERE code = 'processing'")
    assert await owed(api, "processing") == {""}
    await swept(api)
    bought = {
        "processing_id": f"arrival:{number}",
        "card_token": "tok_arrival",
        "station": "АЗС-0012",
        "product": "AI-95",
        "quantity": "1",
        "amount": "60",
        "currency": "RUB",
        "occurred_at": now.isoformat(),
    }
    assert (await api.post("/api/v1/card-transactions", bought)).status_code == 201
    assert await owed(api, "processing") == set()
    await swept(api)
    mark = admin.execute("SELECT missed FROM crm.data_arrival WHERE feed = 'processing'").fetchone()
    assert mark == (None,), "it may be missed again"


async def test_who_may_see_stock_and_who_may_deliver_it(api, station, report):
    code, known_as = await station()
    system = Principal("stock-system", frozenset({Held.INTEGRATION}))
    customer = Principal(
        "stock-portal", frozenset({Held.CUSTOMER}), customer="00000000-0000-7000-8000-000000000009"
    )
    auditor = Principal("stock-auditor", frozenset({Held.AUDITOR}))
    with acting_as(access_of(system)):
        await sent(api, report(known_as, 100))
        assert (await api.post("/api/v1/stations", {"code": "x"})).status_code == 403
    with acting_as(access_of(customer)):
        assert (await stock_of(api, code))["level"] == "100.000"
        assert (await api.post(REPORTS, {"reports": [report(known_as, 1)]})).status_code == 403
        assert (await api.get(MISSING)).status_code == 403
    with acting_as(access_of(auditor)):
        assert (await api.get(STOCK)).status_code == 403
