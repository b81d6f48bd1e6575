"""What a stage asks of a deal, and what it leaves alone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from app.deals.schemas import Condition, Deal, DealStageForm, Outcome
from app.deals.stages import CustomerFacts, check_move, shortcomings
from app.errors import ProblemError

TITLE = {"ru": "Этап", "en": "Stage", "kk": "Кезең"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CARD = CustomerFacts("7707083893", None, None, 0)


def stage(code="offer", **more):
    return DealStageForm.model_validate({"code": code, "title": TITLE, "position": 1, **more})


def deal(**terms):
    given = dict.fromkeys(Deal.model_fields)
    fixed = {
        "id": UUID(int=1),
        "customer_id": UUID(int=2),
        "version": 1,
        "created_at": NOW,
        "changed_at": NOW,
        "number": "D-1",
        "stage": "contact",
        "outcome": Outcome.OPEN,
        "title": "Карты",
        "owner": "petrova",
    }
    return Deal(**{**given, **fixed, **terms})


def rule(when, then):
    return {"code": "r", "when": when, "then": then, "message": TITLE}


def codes(asked, found, card=CARD):
    return [(error.pointer, error.code) for error in shortcomings(asked, found, card)]


def test_what_is_required_is_named_of_deal_and_card():
    asked = stage(requires=["contact", "customer.inn", "customer.kpp", "customer.contacts"])
    assert codes(asked, deal()) == [
        ("/contact", "required-by-stage"),
        ("/customer/kpp", "required-by-stage"),
        ("/customer/contacts", "required-by-stage"),
    ]
    assert codes(asked, deal(contact="Иванов"), CustomerFacts("1", "2", None, 3)) == []


def test_zero_is_given():
    assert codes(stage(requires=["deferral_days"]), deal(deferral_days=0)) == []


@pytest.mark.parametrize(
    ("terms", "broken"),
    [
        ({"starts": date(2026, 2, 1), "ends": date(2026, 1, 1)}, True),
        ({"starts": date(2026, 1, 1), "ends": date(2026, 2, 1)}, False),
        ({"starts": date(2026, 1, 1)}, False),
    ],
)
def test_a_comparison_with_something_missing_violates_nothing(terms, broken):
    asked = stage(rules=[rule([], [{"field": "ends", "op": "gt", "other": "starts"}])])
    assert codes(asked, deal(**terms)) == ([("/ends", "r")] if broken else [])


def test_a_rule_applies_when_all_its_conditions_hold():
    big = [
        {"field": "payment", "op": "eq", "value": "prepaid"},
        {"field": "discount_percent", "op": "ge", "value": 5},
    ]
    asked = stage(rules=[rule(big, [{"field": "planned_volume", "op": "given"}])])
    assert codes(asked, deal(payment="prepaid", discount_percent=5)) == [("/planned_volume", "r")]
    assert codes(asked, deal(payment="prepaid", discount_percent=4)) == []
    assert codes(asked, deal(discount_percent=5)) == []


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "starts", "op": "lt", "value": "soon"},
        {"field": "starts", "op": "lt", "other": "planned_volume"},
        {"field": "planned_volume", "op": "lt", "value": "much"},
        {"field": "title", "op": "eq"},
        {"field": "title", "op": "given", "value": "x"},
    ],
)
def test_a_condition_compares_what_can_be_compared(condition):
    with pytest.raises(ValidationError):
        Condition.model_validate(condition)


def test_stages_are_reached_in_their_order_until_the_deal_ends():
    check_move(stage(follows=["contact"]), deal())
    check_move(stage(), None)
    for asked, found in (
        (stage(follows=["negotiation"]), deal()),
        (stage(follows=["contact"]), None),
        (stage(follows=["contact"], active=False), deal()),
        (stage(follows=["contact"]), deal(outcome=Outcome.WON)),
    ):
        with pytest.raises(ProblemError):
            check_move(asked, found)
