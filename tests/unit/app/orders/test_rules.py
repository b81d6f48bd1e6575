"""The sum of an order under decisions on its discount."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from app.catalogue.schemas import Packaging
from app.errors import Problem, ProblemError
from app.orders.rules import decided
from app.orders.schemas import (
    Allowed,
    Decision,
    DecisionForm,
    Discount,
    DiscountStatus,
    Item,
    Order,
    OrderStatus,
    Requisites,
)

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
PRICED = {"oil": Allowed(price=Decimal(1000), max_quantity=None, packaging=Packaging.PACKED)}


def submitted() -> Order:
    """Two of a thousand each, with a discount asked for."""
    return Order(
        id=UUID(int=1),
        customer_id=UUID(int=2),
        version=2,
        created_at=MOMENT,
        changed_at=MOMENT,
        number="Z-1",
        status=OrderStatus.SUBMITTED,
        archived=False,
        contract_id=UUID(int=3),
        requisites=Requisites(),
        items=(Item(product="oil", quantity=Decimal(2)),),
        vehicle=None,
        carrier=None,
        discount=Discount(status=DiscountStatus.REQUESTED, percent=Decimal(10), reason="much"),
        amount=Decimal(2000),
        currency="RUB",
        repeats=None,
        comment=None,
    )


@pytest.mark.parametrize(
    ("decision", "amount"), [(Decision.GRANT_DISCOUNT, "1800"), (Decision.REFUSE_DISCOUNT, "2000")]
)
def test_only_a_granted_discount_lessens_the_sum(decision: Decision, amount: str) -> None:
    assert decided(submitted(), DecisionForm(decision=decision), PRICED).amount == Decimal(amount)


@pytest.mark.parametrize("decision", [Decision.GRANT_DISCOUNT, Decision.REFUSE_DISCOUNT])
def test_no_decision_leaves_what_was_ordered_without_a_sum(decision: Decision) -> None:
    with pytest.raises(ProblemError) as refused:
        decided(submitted(), DecisionForm(decision=decision), {})
    assert refused.value.problem is Problem.WRONG_STATE


def test_an_order_is_confirmed_for_the_sum_it_was_submitted_with() -> None:
    confirmed = decided(submitted(), DecisionForm(decision=Decision.CONFIRM), {})
    assert (confirmed.status, confirmed.amount) == (OrderStatus.CONFIRMED, Decimal(2000))
