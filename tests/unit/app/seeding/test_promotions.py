"""Invented promotions."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

import pytest

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
    assert len({(form.kinds, form.stages) for form in held}) == len(held) == 3
