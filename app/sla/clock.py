"""The one SLA clock: working time, its deadlines and its pauses. Pure.

All moments are aware datetimes; results are in UTC. Working time is counted between real moments, so that a
night of changing clocks is as long as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

HOME_ZONE = "Europe/Moscow"  # the estate's: where no calendar and no region says another
HORIZON = timedelta(days=3_660)
NOTHING = timedelta()


class ClockError(Exception):
    """A calendar has too little working time to reach the deadline within HORIZON."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Minutes of a local day, 0 to 1440; `end` is outside."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Local working hours: `week` from Monday, each day's intervals in order; `special` days go first."""

    zone: ZoneInfo
    week: tuple[tuple[Interval, ...], ...]
    country: str | None = None
    special: Mapping[date, tuple[Interval, ...]] = field(default_factory=dict)

    def on(self, day: date) -> tuple[Interval, ...]:
        if day in self.special:
            return self.special[day]
        if self.country is not None and day in _public_holidays(self.country):
            return ()
        return self.week[day.weekday()]


@dataclass(frozen=True, slots=True)
class Deadlines:
    reaction_due: datetime
    solution_due: datetime


@cache
def _public_holidays(country: str) -> holidays.HolidayBase:
    """Filled year by year as it is asked."""
    return holidays.country_holidays(country)


def spans(calendar: WorkingCalendar, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Working spans that end after the moment, in order and disjoint, until HORIZON."""
    day = after.astimezone(calendar.zone).date()
    last = day + HORIZON
    done = after.astimezone(UTC)
    while day <= last:
        for interval in calendar.on(day):
            start = max(_moment(day, interval.start, calendar.zone), done)
            end = _moment(day, interval.end, calendar.zone)
            if start < end:
                yield start, end
                done = end
        day += timedelta(days=1)


def advance(start: datetime, work: timedelta, calendar: WorkingCalendar) -> datetime:
    """The moment at which `work` of working time has passed. Raises ClockError beyond HORIZON."""
    if work <= NOTHING:
        return start.astimezone(UTC)
    for begin, end in spans(calendar, start):
        if end - begin >= work:
            return begin + work
        work -= end - begin
    raise ClockError(f"{work} of work are left after {HORIZON.days} days")


def elapsed(start: datetime, end: datetime, calendar: WorkingCalendar) -> timedelta:
    """Working time from `start` to `end`; nothing when they are the other way round."""
    total = NOTHING
    for begin, finish in spans(calendar, start):
        if begin >= end:
            break
        total += min(finish, end) - begin
    return total


def deadlines(
    arrived: datetime, reaction: timedelta, solution: timedelta, calendar: WorkingCalendar
) -> Deadlines:
    return Deadlines(advance(arrived, reaction, calendar), advance(arrived, solution, calendar))


def resumed(due: datetime, paused_at: datetime, at: datetime, calendar: WorkingCalendar) -> datetime:
    """The deadline after a pause: as much working time is left as was left when it began.

    What was overdue when the pause began stays as overdue as it was.
    """
    if due <= paused_at:
        return due.astimezone(UTC)
    return advance(at, elapsed(paused_at, due, calendar), calendar)


def rescheduled(arrived: datetime, due: datetime, change: timedelta, calendar: WorkingCalendar) -> datetime:
    """The deadline with so much more or less working time since the arrival; the pauses so far stay in it."""
    return advance(arrived, elapsed(arrived, due, calendar) + change, calendar)


def _moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    local = datetime.combine(day, time()) + timedelta(minutes=minute)
    return local.replace(tzinfo=zone).astimezone(UTC)
