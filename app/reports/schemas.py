"""Rows of the reports (R6, R11, R15, K2). Times in seconds of the clock on the wall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Dimension(StrEnum):
    """By what requests are grouped."""

    TOPIC = "topic"
    UNIT = "unit"
    CHANNEL = "channel"
    QUEUE = "queue"
    ASSIGNEE = "assignee"


class Grouping(StrEnum):
    """By what purchases are grouped; days and months begin as the processing system's do."""

    STATION = "station"
    REGION = "region"
    PRODUCT = "product"
    CARD = "card"
    DAY = "day"
    MONTH = "month"


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """How the requests of a period were served. Overdue: past the solution's deadline, closed or not.

    Of those that were `reopened`, the last time counts.
    """

    key: str | None
    requests: int
    closed: int
    mean_reaction_seconds: float | None
    mean_handle_seconds: float | None
    mean_solution_seconds: float | None
    overdue: int
    mean_overdue_seconds: float | None
    mean_rating: float | None
    reopened: int


@dataclass(frozen=True, slots=True)
class FrequencyRow:
    """`before`: as many in the period of the same length before."""

    topic: str
    requests: int
    before: int


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """As kept, beside the half month before; null where nothing was kept to compare with.

    `change_percent` is of the requests a day, as half months have 13 to 16 days.
    """

    topic: str
    requests: int
    before: int | None
    change: int | None
    change_percent: float | None


@dataclass(frozen=True, slots=True)
class KeptHalfMonth:
    """`requests`: how many of those in reach were counted."""

    first_day: date
    last_day: date
    made_at: datetime
    requests: int


@dataclass(frozen=True, slots=True)
class LoadRow:
    person: str
    unit: str
    capacity: int
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A queue at this moment. Overdue: past the solution's deadline; of the waiting, past the customer's."""

    queue: str | None
    new: int
    in_progress: int
    waiting: int
    handed_over: int
    unassigned: int
    overdue: int
    waiting_overdue: int
    oldest_new_at: datetime | None


@dataclass(frozen=True, slots=True)
class TurnoverRow:
    """What was bought, returns taken off. Never a sum over two measures or two currencies: each is a row.

    `key` is null in a region, and `measure` of a product, that no directory knows.
    """

    key: str | None
    measure: str | None
    currency: str
    transactions: int
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ServiceReport:
    items: Sequence[ServiceRow]


@dataclass(frozen=True, slots=True)
class FrequencyReport:
    items: Sequence[FrequencyRow]


@dataclass(frozen=True, slots=True)
class ChangeReport:
    items: Sequence[ChangeRow]


@dataclass(frozen=True, slots=True)
class KeptHalfMonths:
    items: Sequence[KeptHalfMonth]


@dataclass(frozen=True, slots=True)
class LoadReport:
    items: Sequence[LoadRow]


@dataclass(frozen=True, slots=True)
class Board:
    items: Sequence[BoardRow]


@dataclass(frozen=True, slots=True)
class TurnoverReport:
    items: Sequence[TurnoverRow]
