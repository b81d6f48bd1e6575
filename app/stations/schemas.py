"""Stations and products as data, what there is in stock, and which data are missing (K4, I3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from app.card_transactions.schemas import Occurred
from app.directory.model import Code, Directory, Entry, Localized
from app.fields import Form, Short
from app.identity import now

MAX_REPORTS = 1000
CLOCK_SKEW = timedelta(minutes=5)
Level = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=3)]
Days = Annotated[Decimal, Field(ge=0, max_digits=6, decimal_places=2)]


def _has_happened(moment: datetime) -> datetime:
    """A mistyped year would outdate everything that comes after it."""
    if moment > now() + CLOCK_SKEW:
        raise ValueError("this lies in the future")
    return moment


Happened = Annotated[Occurred, AfterValidator(_has_happened)]


class ProductKind(StrEnum):
    FUEL = "fuel"
    GOODS = "goods"


class Measure(StrEnum):
    LITRE = "litre"
    KILOGRAM = "kilogram"
    PIECE = "piece"


class StationForm(Entry):
    """`known_as` is its name in the feeds: of transactions, of stock."""

    title: Short
    known_as: Short
    region: Code
    address: Short | None = None


class ProductForm(Entry):
    """Alarm below `shortage_days` of sales in stock, and above `surplus_days`."""

    title: Localized
    known_as: Short
    kind: ProductKind
    measure: Measure
    shortage_days: Days
    surplus_days: Days | None = None

    @model_validator(mode="after")
    def _shortage_is_less_than_surplus(self) -> Self:
        if self.surplus_days is not None and self.surplus_days <= self.shortage_days:
            raise ValueError("surplus_days must be more than shortage_days")
        return self


class DataFeedForm(Entry):
    """A system that sends data at least every so many minutes, for each station or as one."""

    title: Localized
    interval_minutes: Annotated[int, Field(ge=1, le=525_600)]
    by_station: bool


STATIONS = Directory("stations", "crm.station", StationForm)
PRODUCTS = Directory("products", "crm.product", ProductForm)
DATA_FEEDS = Directory("data-feeds", "crm.data_feed", DataFeedForm)


class StockReport(Form):
    """What a station has of a product, by their names in the feeds; `delivered` since the report before."""

    station: Short
    product: Short
    at: Happened
    level: Level
    delivered: Level = Decimal(0)
    capacity: Level | None = None


class StockReportsForm(Form):
    reports: Annotated[tuple[StockReport, ...], Field(min_length=1, max_length=MAX_REPORTS)]


class ArrivalForm(Form):
    """Data of an integrated system have arrived elsewhere: `source` is a station's code where it has many."""

    feed: Code
    source: Code | None = None
    at: Happened


class Alarm(StrEnum):
    SHORTAGE = "shortage"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class StockReceived:
    """`outdated`: reports no newer than what was known."""

    accepted: int
    outdated: int


@dataclass(frozen=True, slots=True)
class Stock:
    """What a station has of a product. `days_of_cover`: how long that lasts at the present rate of sales."""

    station: str
    product: str
    station_title: str
    region: str
    level: Decimal
    capacity: Decimal | None
    reported_at: datetime
    sold_per_day: Decimal | None
    days_of_cover: Decimal | None
    alarm: Alarm | None
    alarm_since: datetime | None


@dataclass(frozen=True, slots=True)
class StockPage:
    """`next` is the address of the next page, null on the last."""

    items: Sequence[Stock]
    next: str | None


@dataclass(frozen=True, slots=True)
class RegionStock:
    """A product in a region: how many stations report it, what they have, how many of them alarm."""

    region: str
    product: str
    stations: int
    level: Decimal
    sold_per_day: Decimal | None
    shortages: int
    surpluses: int


@dataclass(frozen=True, slots=True)
class RegionStocks:
    items: Sequence[RegionStock]


@dataclass(frozen=True, slots=True)
class Missing:
    """Data that should be here and are not. `last_at` null: none ever came."""

    feed: str
    source: str
    last_at: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class MissingPage:
    """`next` is the address of the next page, null on the last."""

    items: Sequence[Missing]
    next: str | None


@dataclass(frozen=True, slots=True)
class Missed:
    """Newly missing; a full batch means that there may be more."""

    reported: int
