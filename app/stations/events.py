"""What leaves when a stock runs short or over, and when data stay away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.database.units import WriteUnit
from app.events.outbox import publish
from app.events.types import EventType
from app.stations.cover import Standing, days_of_cover
from app.stations.repository import Key
from app.stations.schemas import Alarm


@dataclass(frozen=True, slots=True)
class StockAlarm:
    """`alarm` null: it is over."""

    station: str
    product: str
    alarm: Alarm | None
    level: Decimal
    sold_per_day: Decimal | None
    days_of_cover: Decimal | None


@dataclass(frozen=True, slots=True)
class DataMissing:
    """`source`: a station's code, a day for the day's close, or empty for the system as one."""

    feed: str
    source: str
    last_at: datetime | None


ALARM = EventType("stock.alarm", "stock", StockAlarm, "a stock ran short or over, or is right again")
MISSING = EventType("data-feed.missing", "data-feed", DataMissing, "data of an integrated system stay away")
TYPES = (ALARM, MISSING)


async def tell_alarm(unit: WriteUnit, key: Key, standing: Standing) -> None:
    """Queued; the stock is locked."""
    cover = days_of_cover(standing.level, standing.sold_per_day)
    told = StockAlarm(*key, standing.alarm, standing.level, standing.sold_per_day, cover)
    await publish(unit, ALARM, ":".join(key), told)


async def tell_missing(unit: WriteUnit, feed: str, source: str, last_at: datetime | None) -> None:
    """Queued; the arrival was marked by this transaction."""
    await publish(unit, MISSING, f"{feed}:{source}", DataMissing(feed, source, last_at))
