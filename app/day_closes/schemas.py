"""The day's close as the processing system tells it, and what comparing it with what came has found (I3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from app.fields import Day, Form, Short
from app.stations.schemas import Happened

MAX_TOTALS = 8000  # some 2,700 stations with purchases and returns; about as much as a body may have


class Kind(StrEnum):
    """By the sign of a transaction's amount."""

    PURCHASE = "purchase"
    RETURN = "return"


class CloseState(StrEnum):
    TOLD = "told"  # and not compared yet
    MATCHED = "matched"
    DIFFERS = "differs"
    MISSING = "missing"  # nobody has told by the time at which it is owed


class Total(Form):
    """What was sent of a kind, of one station or of all. The amounts of returns are negative."""

    station: Short | None = None
    kind: Kind
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    transactions: Annotated[int, Field(ge=0, le=10**12)]
    amount: Annotated[Decimal, Field(max_digits=20, decimal_places=2)]


class DayCloseForm(Form):
    """All that was sent of a day (midnight to midnight in Moscow). A later `closed_at` corrects."""

    day: Day
    closed_at: Happened
    totals: Annotated[tuple[Total, ...], Field(max_length=MAX_TOTALS)]


@dataclass(frozen=True, slots=True)
class DayClose:
    """`transactions`: told; `found`: there at the last look; `differing`: totals that are not the same."""

    day: date
    state: CloseState
    closed_at: datetime | None
    transactions: int
    found: int | None
    differing: int | None
    compared_at: datetime | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A total as it was told, and as it is by what came. `station` null: of all together."""

    station: str | None
    kind: Kind
    currency: str
    transactions: int
    found_transactions: int
    amount: Decimal
    found_amount: Decimal


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differences`: the first of `differing`."""

    compared_at: datetime
    state: CloseState
    found: int | None
    differing: int
    differences: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class DayCloseInFull:
    """`comparisons`: what looks have found, where it changed; newest first."""

    close: DayClose
    totals: Sequence[Total]
    comparisons: Sequence[Comparison]


@dataclass(frozen=True, slots=True)
class DayClosePage:
    """`next` is the address of the next page, null on the last."""

    items: Sequence[DayClose]
    next: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """Days newly missing, and days compared; while that is not 0, there may be more to compare."""

    missing: int
    compared: int
