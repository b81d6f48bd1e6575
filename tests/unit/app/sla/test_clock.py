"""The SLA clock: properties that hold for every calendar, zone and moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sla.clock import ClockError, Interval, WorkingCalendar, advance, elapsed, rescheduled, resumed

ZONES = ("Europe/Kaliningrad", "Europe/Moscow", "Asia/Kamchatka", "Asia/Almaty", "Europe/Berlin")
OFFICE = (*[(Interval(540, 780), Interval(840, 1080))] * 5, (), ())
ALWAYS = ((Interval(0, 1440),),) * 7

days = st.lists(
    st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda hours: hours[0] < hours[1]),
    max_size=1,
).map(lambda hours: tuple(Interval(start * 60, end * 60) for start, end in hours))
weeks = st.lists(days, min_size=7, max_size=7).map(tuple).filter(any)
calendars = st.builds(
    WorkingCalendar, st.sampled_from(ZONES).map(ZoneInfo), weeks, st.sampled_from([None, "RU", "KZ"])
)
moments = st.integers(0, 10 * 365 * 86_400).map(
    lambda s: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=s)
)
amounts = st.integers(1, 60 * 40).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=60)
@given(calendars, moments, amounts)
def test_exactly_the_working_time_asked_for_lies_before_a_deadline(calendar, start, work):
    due = advance(start, work, calendar)
    assert elapsed(start, due, calendar) == work


@settings(max_examples=60)
@given(calendars, moments, amounts, amounts)
def test_two_steps_are_as_long_as_one(calendar, start, first, second):
    assert advance(advance(start, first, calendar), second, calendar) == advance(
        start, first + second, calendar
    )


@settings(max_examples=60)
@given(calendars, moments, amounts, amounts)
def test_more_work_never_ends_earlier(calendar, start, less, more):
    assert advance(start, less, calendar) < advance(start, less + more, calendar)


@settings(max_examples=60)
@given(calendars, moments, amounts, st.timedeltas(timedelta(), timedelta(days=30)), st.floats(0, 1))
def test_a_pause_leaves_as_much_working_time_as_there_was(calendar, start, work, pause, share):
    due = advance(start, work, calendar)
    paused_at = start + (due - start) * share
    moved = resumed(due, paused_at, paused_at + pause, calendar)
    assert moved >= due
    assert elapsed(paused_at + pause, moved, calendar) == elapsed(paused_at, due, calendar)


@settings(max_examples=60)
@given(calendars, moments, amounts)
def test_a_pause_does_not_heal_what_was_overdue(calendar, start, work):
    due = advance(start, work, calendar)
    assert resumed(due, due + work, due + work * 2, calendar) == due


@settings(max_examples=60)
@given(calendars, moments, amounts, amounts, amounts)
def test_another_norm_counts_from_the_arrival_and_keeps_what_was_paused(calendar, start, old, new, paused):
    due = advance(start, old + paused, calendar)
    assert rescheduled(start, due, new - old, calendar) == advance(start, new + paused, calendar)


def test_an_office_stops_for_lunch_night_weekend_and_holidays():
    moscow = WorkingCalendar(ZoneInfo("Europe/Moscow"), OFFICE, "RU")
    friday = datetime(2026, 10, 30, 17, 30, tzinfo=ZoneInfo("Europe/Moscow"))
    # Half an hour on Friday, none at the weekend, four and a half on Monday; Wednesday 4 November is off.
    assert advance(friday, timedelta(hours=5), moscow) == datetime(2026, 11, 2, 14 - 3, 30, tzinfo=UTC)
    tuesday = datetime(2026, 11, 3, 18, tzinfo=ZoneInfo("Europe/Moscow"))
    assert advance(tuesday, timedelta(hours=1), moscow) == datetime(2026, 11, 5, 10 - 3, tzinfo=UTC)


def test_the_same_nine_o_clock_comes_nine_hours_earlier_in_kamchatka():
    work, start = timedelta(hours=1), datetime(2026, 2, 2, 18, tzinfo=UTC)
    dues = [advance(start, work, WorkingCalendar(ZoneInfo(zone), OFFICE)) for zone in ZONES[1:3]]
    assert dues[0] - dues[1] == timedelta(hours=9)


def test_a_special_day_replaces_its_weekday_and_the_holiday():
    saturday = date(2026, 11, 7)
    calendar = WorkingCalendar(ZoneInfo("Europe/Moscow"), OFFICE, "RU", {saturday: (Interval(600, 660),)})
    start = datetime(2026, 11, 6, 18, tzinfo=ZoneInfo("Europe/Moscow"))
    assert advance(start, timedelta(hours=1), calendar) == datetime(2026, 11, 7, 8, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_night_of_changing_clocks_is_as_long_as_it_was(day, hours):
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(day.year, day.month, day.day, tzinfo=berlin)
    assert elapsed(start, start + timedelta(days=1), WorkingCalendar(berlin, ALWAYS)) == timedelta(
        hours=hours
    )


def test_a_calendar_without_work_is_an_error_and_not_an_endless_search():
    with pytest.raises(ClockError):
        advance(
            datetime(2026, 1, 1, tzinfo=UTC),
            timedelta(minutes=1),
            WorkingCalendar(ZoneInfo("UTC"), ((),) * 7),
        )
