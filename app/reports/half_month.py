"""Half months, the 1st to the 15th and the 16th to the end, in the estate's time zone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.sla.clock import HOME_ZONE

SECOND = 16  # the first day of the second half
# A request bears the moment of its registration, not of its commit, and by the clock of its host.
SETTLED = timedelta(hours=1)
_DAY = timedelta(days=1)
_ZONE = ZoneInfo(HOME_ZONE)


@dataclass(frozen=True, slots=True, order=True)
class HalfMonth:
    """By its first day."""

    first: date

    @classmethod
    def of(cls, day: date) -> HalfMonth:
        return cls(day.replace(day=1 if day.day < SECOND else SECOND))

    @classmethod
    def at(cls, moment: datetime) -> HalfMonth:
        return cls.of(moment.astimezone(_ZONE).date())

    @property
    def following(self) -> HalfMonth:
        return HalfMonth.of(self.first + SECOND * _DAY)

    @property
    def before(self) -> HalfMonth:
        return HalfMonth.of(self.first - _DAY)

    @property
    def last(self) -> date:
        return self.following.first - _DAY

    @property
    def days(self) -> int:
        return (self.following.first - self.first).days

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), _ZONE).astimezone(UTC)


def due(kept: date | None, first_request: datetime | None, at: datetime) -> HalfMonth | None:
    """The next one to keep: after the last that is kept, each in its turn, however long nobody did.

    `kept`: the first day of that. Without one it begins with the last but one to have ended, to compare with,
    or with the first request.
    """
    last = HalfMonth.at(at - SETTLED).before
    if kept is not None:
        candidate = HalfMonth(kept).following
    elif first_request is not None:
        candidate = max(HalfMonth.at(first_request), last.before)
    else:
        return None
    return candidate if candidate <= last else None
