"""Field types that the requests of all slices share."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints

D = TypeVar("D", date, datetime)

MAX_OPAQUE = 200
# Further out is a mistake of its sender, and arithmetic would leave what Python and PostgreSQL can hold.
FIRST_YEAR, LAST_YEAR = 1900, 3000
# Nothing PostgreSQL or a log line would choke on: no NUL, no other control characters.
_CONTROL_FREE = r"^[^\x00-\x1f\x7f]*$"
_NUL_FREE = r"^[^\x00]*$"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    _DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _is_written(value: object, form: re.Pattern[str], kind: type[date]) -> bool:
    """`pydantic` alone would take numbers and digits too, for seconds or milliseconds since 1970."""
    return type(value) is kind or (isinstance(value, str) and form.fullmatch(value) is not None)


def _day_written(value: object) -> object:
    if not _is_written(value, _DAY, date):
        raise ValueError("expected a date, as 2026-01-31")
    return value


def _moment_written(value: object) -> object:
    if not _is_written(value, _MOMENT, datetime):
        raise ValueError("expected a date and time with an offset, as 2026-01-31T09:30:00+03:00")
    return value


def within_years(day: D, first: int = FIRST_YEAR, last: int = LAST_YEAR) -> D:
    """From the year `first` to the one before `last`. Raises ValueError."""
    if not first <= day.year < last:
        raise ValueError(f"expected a year from {first} to {last - 1}")
    return day


def _in_utc(moment: datetime) -> datetime:
    return within_years(moment).astimezone(UTC)


def day_of(text: str) -> date:
    """As a `Day` is read. Raises ValueError."""
    _day_written(text)
    return within_years(date.fromisoformat(text))


Day = Annotated[date, BeforeValidator(_day_written), AfterValidator(within_years)]
Moment = Annotated[AwareDatetime, BeforeValidator(_moment_written), AfterValidator(_in_utc)]
"""Of RFC 3339, or ISO 8601 without seconds. No input has a bare date or datetime instead."""

Opaque = Annotated[str, StringConstraints(min_length=1, max_length=MAX_OPAQUE, pattern=_CONTROL_FREE)]
"""The sender's own text, kept as it is."""

Short = Annotated[
    str, StringConstraints(min_length=1, max_length=300, pattern=_CONTROL_FREE), AfterValidator(_not_blank)
]
Long = Annotated[
    str, StringConstraints(min_length=1, max_length=20_000, pattern=_NUL_FREE), AfterValidator(_not_blank)
]
Raw = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_NUL_FREE)]
"""What goes through the cleansing pipeline."""


class Form(BaseModel):
    """A request's body: unknown fields are errors, as a mistyped name would otherwise be lost silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)
