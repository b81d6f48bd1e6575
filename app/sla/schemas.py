"""Working calendars as an administrator writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.directory.model import Directory, Entry, Localized
from app.fields import Day, Form, Short
from app.sla.clock import Interval, WorkingCalendar

MIN_WEEKLY_MINUTES = 300  # less would put a deadline years away


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError("no such IANA time zone") from error
    return name


ZoneName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)*$", max_length=60),
    AfterValidator(_known_zone),
]
Clock = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Weekday = Annotated[int, Field(ge=1, le=7, description="ISO: Monday is 1")]


class Hours(Form):
    """From `start` to `end` of one local day; 24:00 is its end."""

    start: Clock
    end: Clock

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be after start; split what passes midnight")
        return self

    @property
    def interval(self) -> Interval:
        return Interval(_minutes(self.start), _minutes(self.end))


class WeekdayHours(Hours):
    weekday: Weekday


class SpecialDay(Form):
    """A day unlike its weekday: a moved working Saturday, a shortened day, a company's own holiday."""

    day: Day
    hours: Annotated[tuple[Hours, ...], Field(max_length=6)] = ()


class CalendarForm(Entry):
    """`time_zone` null: that of the request's region. `country`: whose public holidays are off."""

    title: Localized
    time_zone: ZoneName | None = None
    country: Literal["RU", "KZ"] | None = None
    hours: Annotated[tuple[WeekdayHours, ...], Field(min_length=1, max_length=28)]
    special: Annotated[tuple[SpecialDay, ...], Field(max_length=400)] = ()

    @model_validator(mode="after")
    def _works(self) -> Self:
        minutes = sum(hours.interval.end - hours.interval.start for hours in self.hours)
        if minutes < MIN_WEEKLY_MINUTES:
            raise ValueError(f"a calendar needs at least {MIN_WEEKLY_MINUTES} working minutes a week")
        return self

    def working(self, region_zone: str) -> WorkingCalendar:
        week = tuple(
            _merged(hours.interval for hours in self.hours if hours.weekday == weekday)
            for weekday in range(1, 8)
        )
        special = {each.day: _merged(hours.interval for hours in each.hours) for each in self.special}
        return WorkingCalendar(ZoneInfo(self.time_zone or region_zone), week, self.country, special)


class RegionForm(Entry):
    """A region by its code of the Russian Federation's subjects, and the time its customers live by."""

    title: Short
    time_zone: ZoneName


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """In order, without overlap: an hour given twice is worked once."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return tuple(merged)


CALENDARS = Directory("calendars", "crm.calendar", CalendarForm)
REGIONS = Directory("regions", "crm.region", RegionForm)
