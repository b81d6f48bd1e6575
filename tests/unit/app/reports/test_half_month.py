"""Half months: which one is to be kept at which moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.half_month import HalfMonth, due

days = st.dates(date(1900, 1, 1), date(2999, 12, 1))


def moscow(month, day, hour=0, minute=0):
    """2026, three hours before UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=3)


@given(days)
def test_half_months_follow_each_other_without_a_gap_and_every_day_is_in_one(day):
    half = HalfMonth.of(day)
    assert half.first <= day <= half.last
    assert half.following.first == half.last + timedelta(days=1)
    assert half.following.before == half == half.before.following
    assert 13 <= half.days <= 16


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (date(2026, 2, 1), date(2026, 2, 15), 15),
        (date(2026, 2, 16), date(2026, 2, 28), 13),
        (date(2028, 2, 16), date(2028, 2, 29), 14),
        (date(2026, 12, 16), date(2026, 12, 31), 16),
    ],
)
def test_the_first_to_the_fifteenth_and_the_sixteenth_to_the_end(first, last, days):
    half = HalfMonth(first)
    assert (half.last, half.days) == (last, days)


def test_it_begins_at_midnight_of_the_estate():
    assert HalfMonth(date(2026, 6, 16)).since == datetime(2026, 6, 15, 21, tzinfo=UTC)
    assert HalfMonth.at(moscow(6, 16)) == HalfMonth(date(2026, 6, 16))
    assert HalfMonth.at(moscow(6, 15, 23, 59)) == HalfMonth(date(2026, 6, 1))


@pytest.mark.parametrize(
    ("kept", "first_request", "at", "wanted"),
    [
        (None, None, moscow(7, 1, 2), None),  # nothing to count
        (None, moscow(6, 20), moscow(7, 1, 2), date(2026, 6, 16)),
        (None, moscow(7, 1), moscow(7, 1, 2), None),
        (None, moscow(1, 1), moscow(7, 1, 2), date(2026, 6, 1)),  # and something to compare with
        (date(2026, 6, 1), moscow(1, 1), moscow(7, 1, 0, 59), None),  # not all may be committed yet
        (date(2026, 6, 1), moscow(1, 1), moscow(7, 1, 1), date(2026, 6, 16)),
        (date(2026, 3, 1), moscow(1, 1), moscow(7, 1, 1), date(2026, 3, 16)),  # nobody did for months
        (date(2026, 6, 16), moscow(1, 1), moscow(7, 15), None),
    ],
)
def test_each_in_its_turn_once_it_has_ended(kept, first_request, at, wanted):
    found = due(kept, first_request, at)
    assert (found and found.first) == wanted
