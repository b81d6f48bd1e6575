"""What two reports say of sales, how long a stock lasts, and whether that is an alarm. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from app.stations.schemas import Alarm

# The rate looks back a week, so that a weekend does not look like a change.
WINDOW = timedelta(days=7)
FULL = Decimal("0.95")  # of the tanks: the next delivery would not fit
DAY_SECONDS = 86_400
GRAIN = Decimal("0.001")
MOST = Decimal("99999999999.999")  # that the column holds: two reports a moment apart say nothing sensible


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of a product, in days of sales."""

    shortage_days: Decimal
    surplus_days: Decimal | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a product at a station."""

    level: Decimal
    capacity: Decimal | None
    reported_at: datetime
    sold_per_day: Decimal | None = None
    alarm: Alarm | None = None
    alarm_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """Between two reports. `sold` None: the level rose by more than was delivered, so nothing is known."""

    sold: Decimal | None
    seconds: float


def sale(before: Standing, level: Decimal, delivered: Decimal, at: datetime) -> Sale:
    sold = before.level + delivered - level
    return Sale(sold if sold >= 0 else None, (at - before.reported_at).total_seconds())


def per_day(sold: Decimal | None, seconds: float | None) -> Decimal | None:
    """The rate over what is known of the window."""
    if sold is None or not seconds:
        return None
    return min((sold * DAY_SECONDS / Decimal(seconds)).quantize(GRAIN), MOST)


def days_of_cover(level: Decimal, sold_per_day: Decimal | None) -> Decimal | None:
    """None while nothing is known of sales, or nothing is sold: it would last for ever."""
    return (level / sold_per_day).quantize(Decimal("0.1")) if sold_per_day else None


def alarm_of(standing: Standing, limits: Thresholds) -> Alarm | None:
    """An empty tank is a shortage and a full one a surplus, whatever is sold."""
    if not standing.level:
        return Alarm.SHORTAGE
    if standing.capacity and standing.level >= standing.capacity * FULL:
        return Alarm.SURPLUS
    if not standing.sold_per_day:
        return None
    if standing.level < standing.sold_per_day * limits.shortage_days:
        return Alarm.SHORTAGE
    if limits.surplus_days is not None and standing.level > standing.sold_per_day * limits.surplus_days:
        return Alarm.SURPLUS
    return None


def judged(standing: Standing, limits: Thresholds) -> Standing:
    """With its alarm; one that goes on keeps the moment at which it began."""
    alarm = alarm_of(standing, limits)
    if alarm is standing.alarm:
        return standing
    return replace(standing, alarm=alarm, alarm_since=standing.reported_at if alarm else None)
