"""Dates and moments as the API takes them: written out, never counted from 1970."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from app.fields import Day, Moment, day_of

DAY, MOMENT = TypeAdapter(Day), TypeAdapter(Moment)
NUMBERS = ["0", "1", "1700000000", "-1", "1.5", "20260131", 0, 1700000000, 1.5, Decimal(1), True]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31 09:30Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T01:30:00.123456789+03:00", datetime(2026, 1, 30, 22, 30, 0, 123456, tzinfo=UTC)),
        ("2026-01-31T01:30:00,5-0330", datetime(2026, 1, 31, 5, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_a_moment_is_taken_in_utc(text, moment):
    taken = MOMENT.validate_python(text)
    assert (taken, taken.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "given",
    [
        *NUMBERS,
        *(
            "2026-01-31",
            "2026-01-31T09:30:00",
            "2026-01-31T09:30:00Z ",
            "20260131T093000Z",
            "٢٠٢٦-01-31T09:30Z",
        ),
        *("2026-02-30T09:30:00Z", "2026-01-31T24:30:00Z", "1899-12-31T00:00:00Z", "3000-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", date(2026, 1, 31)),
    ],
)
def test_what_is_no_moment_is_refused(given):
    with pytest.raises(ValidationError):
        MOMENT.validate_python(given)


def test_a_day_is_written_with_its_dashes():
    assert DAY.validate_python("2026-01-31") == day_of("2026-01-31") == date(2026, 1, 31)


@pytest.mark.parametrize(
    "given", [*NUMBERS, "2026-01-31T00:00:00Z", "2026-W05-6", "2026-02-30", "1899-12-31", "3000-01-01"]
)
def test_what_is_no_day_is_refused(given):
    with pytest.raises(ValidationError):
        DAY.validate_python(given)
    with pytest.raises(ValueError, match=r"expected|day is out of range"):
        day_of(given)
