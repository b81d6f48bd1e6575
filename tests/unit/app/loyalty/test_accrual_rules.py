"""How many points a purchase gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.loyalty.rules import Bought, Rule, accruals, points, rule_for
from app.loyalty.schemas import AccrualRuleForm

TITLE = {"ru": "Правило", "en": "Rule", "kk": "Ереже"}
CUSTOMER = UUID(int=1)
BOUGHT = Bought(
    "p1",
    CUSTOMER,
    "АЗС-0012",
    "AI-95",
    Decimal("45.120"),
    Decimal("2710.25"),
    datetime(2026, 1, 2, tzinfo=UTC),
)


def rule(code="r", **changes):
    form = {"code": code, "title": TITLE, "position": 1, "basis": "amount", "rate": "0.01", **changes}
    return Rule(1, AccrualRuleForm.model_validate(form))


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"products": ["AI-95"]}, True),
        ({"products": ["DT"]}, False),
        ({"stations": ["АЗС-0013"]}, False),
        ({"valid_from": "2026-01-02T00:00:00Z"}, True),
        ({"valid_from": "2026-01-03T00:00:00Z"}, False),
        ({"valid_until": "2026-01-02T00:00:00Z"}, False),
        ({"active": False}, False),
    ],
)
def test_a_rule_fits_where_and_when_it_says(changes, fits):
    assert (rule_for([rule(**changes)], BOUGHT) is not None) is fits


def test_the_first_that_fits_decides():
    diesel, double, ordinary = rule("d", products=["DT"]), rule("x2", rate="0.02"), rule("one")
    assert rule_for([diesel, double, ordinary], BOUGHT) is double


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "27.10"), ({"basis": "quantity", "rate": "1"}, "45.12"), ({"rate": "0"}, "0.00")],
)
def test_points_are_of_the_basis_to_the_hundredth(changes, expected):
    assert points(rule(**changes).form, BOUGHT) == Decimal(expected)


@given(st.decimals("0.01", "999999.99", places=2), st.decimals("0", "5", places=4))
def test_a_return_takes_what_its_purchase_gave(amount, rate):
    form = rule(rate=str(rate)).form
    sold, returned = replace(BOUGHT, amount=amount), replace(BOUGHT, amount=-amount)
    assert points(form, sold) + points(form, returned) == 0


def test_a_mistyped_amount_overflows_nothing():
    mistyped = replace(BOUGHT, amount=Decimal("999999999999.99"))
    assert points(rule(rate="1000").form, mistyped) == Decimal(1_000_000_000)


def test_a_return_of_what_was_spent_takes_what_is_left():
    returned = replace(BOUGHT, amount=Decimal(-5000))
    (booked,) = accruals([rule()], [returned], {CUSTOMER: Decimal(30)})
    assert (booked.points, booked.short) == (Decimal(-30), Decimal(20))
    assert list(accruals([rule()], [returned], {CUSTOMER: Decimal(0)})) == []


@given(st.lists(st.decimals("-9999.99", "9999.99", places=2), max_size=30), st.decimals("0", "500", places=2))
def test_no_balance_falls_below_zero(amounts, balance):
    purchases = [replace(BOUGHT, processing_id=f"p{n}", amount=amount) for n, amount in enumerate(amounts)]
    left = balance
    for booked in accruals([rule()], purchases, {CUSTOMER: balance}):
        assert booked.points != 0
        left += booked.points
        assert left >= 0


def test_what_gives_nothing_is_not_booked():
    assert list(accruals([], [BOUGHT], {CUSTOMER: Decimal(0)})) == []
    assert list(accruals([rule(rate="0")], [BOUGHT], {CUSTOMER: Decimal(0)})) == []


def test_a_rule_ends_after_it_begins():
    with pytest.raises(ValidationError, match="valid_until"):
        rule(valid_from="2026-01-02T00:00:00Z", valid_until="2026-01-02T00:00:00Z")
