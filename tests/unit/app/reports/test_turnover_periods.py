"""A period cut into days that are kept and pieces that are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cards.rules import PROCESSING_ZONE
from app.reports.turnover_periods import Piece, cut

HOUR = timedelta(hours=1)
MINUTES = st.integers(0, 90 * 24 * 60)
MOMENTS = MINUTES.map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))


def at(month, day, hour=0):
    return datetime(2026, month, day, hour, tzinfo=PROCESSING_ZONE)


def counted(found, moment):
    """How often a purchase of that moment, which is in the sums, counts."""
    day = moment.astimezone(PROCESSING_ZONE).date()
    kept = (
        (found.first <= day < found.months_since)
        + (found.months_since <= day < found.months_until)
        + (found.months_until <= day < found.last)
    )
    return kept + sum(
        piece.sign for piece in found.pieces if not piece.unsummed and piece.since <= moment < piece.until
    )


@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_every_purchase_counts_once_within_and_not_at_all_outside(since, until, now, moment):
    found = cut(since, until, now)
    for each in (moment, since, until, since - HOUR, until + HOUR):
        assert counted(found, each) == (since <= each < until)


@given(MOMENTS, MOMENTS, MOMENTS)
def test_what_is_not_summed_yet_is_read_of_just_the_days_that_are_kept(since, until, now):
    found = cut(since, until, now)
    unsummed = [(piece.since, piece.until, piece.sign) for piece in found.pieces if piece.unsummed]
    days = tuple(datetime.combine(day, time(), PROCESSING_ZONE) for day in (found.first, found.last))
    assert unsummed == ([(*days, 1)] if found.first < found.last else [])
    assert found.months_since == found.months_until or found.months_since.day == found.months_until.day == 1


@given(MOMENTS, MOMENTS, MOMENTS)
def test_no_more_is_read_than_the_period_or_a_day(since, until, now):
    read = sum(
        (
            max(min(p.until, now) - p.since, timedelta())
            for p in cut(since, until, now).pieces
            if not p.unsummed
        ),
        timedelta(),
    )
    assert read <= min(24 * HOUR, max(min(until, now) - since, timedelta()))


@pytest.mark.parametrize(
    ("since", "until", "days", "months", "edges"),
    [
        pytest.param(at(1, 1), at(3, 1), (1, 1, 3, 1), (1, 1, 3, 1), [], id="whole months"),
        pytest.param(at(1, 5), at(3, 7), (1, 5, 3, 7), (2, 1, 3, 1), [], id="a whole month between days"),
        pytest.param(at(1, 5), at(1, 7), (1, 5, 1, 7), (1, 7, 1, 7), [], id="no whole month"),
        pytest.param(
            at(3, 1), at(3, 20, 15), (3, 1, 3, 21), (3, 21, 3, 21), [(at(3, 20, 15), at(3, 21), -1)],
            id="up to now: all of today but what is to come",
        ),
        pytest.param(
            at(3, 1, 23), at(3, 9, 2), (3, 2, 3, 9), (3, 9, 3, 9),
            [(at(3, 1, 23), at(3, 2), 1), (at(3, 9), at(3, 9, 2), 1)], id="an hour and two are added",
        ),
        pytest.param(
            at(3, 1, 2), at(3, 9, 23), (3, 1, 3, 10), (3, 10, 3, 10),
            [(at(3, 1), at(3, 1, 2), -1), (at(3, 9, 23), at(3, 10), -1)], id="two hours and one are taken",
        ),
    ],
)  # fmt: skip
def test_the_fewest_purchases_are_read(since, until, days, months, edges):
    found = cut(since, until, now=at(3, 20, 15))
    dates = [date(2026, *pair) for pair in (days[:2], days[2:], months[:2], months[2:])]
    assert [found.first, found.last, found.months_since, found.months_until] == dates
    assert [piece for piece in found.pieces if not piece.unsummed] == [Piece(*edge) for edge in edges]


def test_some_hours_of_a_day_are_read_as_they_are():
    for hours in ((10, 11), (7, 16)):
        period = (at(2, 3, hours[0]), at(2, 3, hours[1]))
        assert cut(*period, now=at(3, 20)).pieces == (Piece(*period),)
