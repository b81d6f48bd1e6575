"""Rows of the reports (R6, R11, R15). Times in seconds of the clock on the wall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Dimension(StrEnum):
    """By what requests are grouped."""

    TOPIC = "topic"
    UNIT = "unit"
    CHANNEL = "channel"
    QUEUE = "queue"
    ASSIGNEE = "assignee"


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """How the requests of a period were served. Overdue: past the solution's deadline, closed or not."""

    key: str | None
    requests: int
    closed: int
    mean_reaction_seconds: float | None
    mean_handle_seconds: float | None
    mean_solution_seconds: float | None
    overdue: int
    mean_overdue_seconds: float | None
    mean_rating: float | None


@dataclass(frozen=True, slots=True)
class FrequencyRow:
    """`before`: as many in the period of the same length before."""

    topic: str
    requests: int
    before: int


@dataclass(frozen=True, slots=True)
class LoadRow:
    person: str
    unit: str
    capacity: int
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A queue at this moment."""

    queue: str | None
    new: int
    in_progress: int
    waiting: int
    handed_over: int
    unassigned: int
    overdue: int
    oldest_new_at: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceReport:
    items: Sequence[ServiceRow]


@dataclass(frozen=True, slots=True)
class FrequencyReport:
    items: Sequence[FrequencyRow]


@dataclass(frozen=True, slots=True)
class LoadReport:
    items: Sequence[LoadRow]


@dataclass(frozen=True, slots=True)
class Board:
    items: Sequence[BoardRow]
