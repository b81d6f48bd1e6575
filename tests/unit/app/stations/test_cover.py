"""Rates of sales, days of cover, alarms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stations.cover import Standing, Thresholds, alarm_of, days_of_cover, judged, per_day, sale
from app.stations.schemas import Alarm

AT = datetime(2026, 1, 2, tzinfo=UTC)
LIMITS = Thresholds(Decimal("1.5"), Decimal(14))
STANDING = Standing(Decimal(10_000), Decimal(30_000), AT, Decimal(2_000))


def test_sales_are_what_is_gone_and_was_not_delivered():
    later = AT + timedelta(hours=6)
    assert sale(STANDING, Decimal(9_400), Decimal(0), later).sold == 600
    delivered = sale(STANDING, Decimal(14_500), Decimal(5_000), later)
    assert (delivered.sold, delivered.seconds) == (500, 6 * 3600)


def test_a_level_that_rose_by_itself_says_nothing_of_sales():
    assert sale(STANDING, Decimal(14_500), Decimal(0), AT + timedelta(hours=1)).sold is None


def test_a_rate_is_a_day_of_what_is_known():
    assert per_day(Decimal(600), 6 * 3600) == Decimal(2400)
    assert per_day(None, None) is None
    assert per_day(Decimal(600), 0) is None


@given(st.decimals("0", "99999", places=3), st.floats(1, 604_800))
def test_a_rate_is_never_negative(sold, seconds):
    assert per_day(sold, seconds) >= 0


def test_reports_a_moment_apart_overflow_nothing():
    assert per_day(Decimal("199999999999.998"), 0.000001) == Decimal("99999999999.999")


def test_cover_is_the_days_that_a_level_lasts():
    assert days_of_cover(Decimal(10_000), Decimal(2_000)) == 5
    assert days_of_cover(Decimal(10_000), None) is None
    assert days_of_cover(Decimal(10_000), Decimal(0)) is None


@pytest.mark.parametrize(
    ("changes", "alarm"),
    [
        ({}, None),
        ({"level": Decimal(3_000)}, None),
        ({"level": Decimal("2999.999")}, Alarm.SHORTAGE),
        ({"level": Decimal(0), "sold_per_day": None}, Alarm.SHORTAGE),
        ({"level": Decimal(28_500)}, Alarm.SURPLUS),
        ({"level": Decimal(28_001), "capacity": None}, Alarm.SURPLUS),
        ({"level": Decimal(28_000), "capacity": None}, None),
        ({"sold_per_day": None}, None),
        ({"sold_per_day": Decimal(0)}, None),
        ({"sold_per_day": Decimal(7_000)}, Alarm.SHORTAGE),
    ],
)
def test_an_alarm_follows_from_level_and_sales(changes, alarm):
    assert alarm_of(replace(STANDING, **changes), LIMITS) is alarm


def test_an_alarm_that_goes_on_began_when_it_began():
    short = judged(replace(STANDING, level=Decimal(100)), LIMITS)
    assert (short.alarm, short.alarm_since) == (Alarm.SHORTAGE, AT)
    later = judged(replace(short, level=Decimal(50), reported_at=AT + timedelta(hours=1)), LIMITS)
    assert later.alarm_since == AT
    over = judged(replace(later, level=Decimal(9_000)), LIMITS)
    assert (over.alarm, over.alarm_since) == (None, None)
