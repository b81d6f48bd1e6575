"""Invented promotions."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import pytest

from app.seeding.profiles import profile
from app.seeding.promotions import promotions


def test_a_larger_base_contains_the_smaller():
    made = list(promotions(30))
    assert list(promotions(12)) == list(islice(made, 12))
    assert len({form.code for form in made}) == 30
    assert all(len(set(form.text.model_dump().values())) == 3 for form in made)


@pytest.mark.parametrize("day", ["2026-03-01", "2026-11-23", "2027-01-31"])
def test_three_hold_at_any_time_each_for_another_audience(day):
    moment = datetime.fromisoformat(f"{day}T00:00:00Z")
    held = [form for form in promotions(24) if form.starts <= moment < form.ends]
    assert (
        len({(form.kinds, form.stages, form.customer_types, form.regions) for form in held}) == len(held) == 3
    )


def test_some_are_for_regions_and_types_that_seeded_companies_have():
    made = list(promotions(12))
    of_companies = [profile(7, number, name) for number in range(1, 200) for name in ("МУП «А»", "ООО «А»")]
    for known, asked in (
        ({each.region for each in of_companies}, {region for form in made for region in form.regions}),
        (
            {each.customer_type for each in of_companies},
            {type_ for form in made for type_ in form.customer_types},
        ),
    ):
        assert asked < known, "and not for everybody"
        assert asked
