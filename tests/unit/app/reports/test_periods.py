"""The ids by which a report finds the requests of its period."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.fields import FIRST_YEAR, LAST_YEAR
from app.identity import first_id
from app.reports.repository import beside_before, of_period

RANDOM = (1 << 80) - 1
LAST = date(LAST_YEAR - 1, 12, 31)


def moments(first):
    return st.builds(datetime.combine, st.dates(first, LAST), st.times(), st.just(UTC))


EVER, SINCE_IDS = moments(date(FIRST_YEAR, 1, 1)), moments(date(1970, 1, 1))
# The id is made a moment before created_at is looked up, and the host's clock may be set meanwhile.
APART = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))


@given(EVER, EVER, SINCE_IDS, APART, st.integers(0, RANDOM))
def test_whoever_was_registered_within_has_an_id_within(since, until, created_at, apart, random):
    id_ = UUID(int=first_id(created_at + apart).int | random)
    for parameters in (of_period(since, until), beside_before(since, until)):
        if parameters.get("before", since) <= created_at < until:
            assert parameters["first_id"] <= id_ < parameters["last_id"]


@given(EVER, EVER)
def test_the_period_before_is_as_long_and_ends_where_the_other_begins(since, until):
    found = beside_before(since, until)
    assert found["until"] == until
    if since <= until:
        assert found["since"] == since
        assert since - found["before"] == until - since
    else:
        assert found["before"] == found["since"] == until


def test_a_day_is_told_from_the_years_around_it():
    found = of_period(datetime(2026, 5, 8, tzinfo=UTC), datetime(2026, 5, 9, tzinfo=UTC))
    assert found["first_id"] > first_id(datetime(2026, 5, 6, tzinfo=UTC))
    assert found["last_id"] < first_id(datetime(2026, 5, 11, tzinfo=UTC))
