"""What users send is valid by the rules of those who make the numbers, however it is drawn."""

from __future__ import annotations

import random

import phonenumbers
from stdnum.ru import inn

from loadtests.data import company


def test_every_company_would_be_taken() -> None:
    """One in four thousand had a phone number that nobody can have."""
    rng = random.Random(5)  # noqa: S311  (no secret is drawn)
    made = [company(rng) for _ in range(20_000)]
    refused = [
        each
        for each in made
        if not inn.is_valid(each.inn) or not phonenumbers.is_valid_number(phonenumbers.parse(each.phone))
    ]
    assert refused == []
