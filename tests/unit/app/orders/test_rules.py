"""The sum of an order under decisions on its discount."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from app.orders.rules import decided, with_request
from app.orders.schemas import (
    Decision,
    DecisionForm,
    Discount,
    DiscountForm,
    DiscountStatus,
    Item,
    Order,
    OrderStatus,
    Requisites,
)

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


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
        full_amount=Decimal(2000),
        amount=Decimal(2000),
        currency="RUB",
        repeats=None,
        comment=None,
    )


@pytest.mark.parametrize(
    ("decision", "amount"), [(Decision.GRANT_DISCOUNT, "1800"), (Decision.REFUSE_DISCOUNT, "2000")]
)
def test_only_a_granted_discount_lessens_the_sum(decision: Decision, amount: str) -> None:
    assert decided(submitted(), DecisionForm(decision=decision)).amount == Decimal(amount)


def test_a_discount_is_never_taken_off_twice() -> None:
    """Also of what the release before submitted, without a full amount, and granted."""
    order = decided(submitted(), DecisionForm(decision=Decision.GRANT_DISCOUNT))
    for known in (order, order.model_copy(update={"full_amount": None})):
        asked = with_request(known, DiscountForm(percent=Decimal(5), reason="more"))
        assert (asked.full_amount, asked.amount) == (Decimal(2000), Decimal(2000))
        granted = decided(asked, DecisionForm(decision=Decision.GRANT_DISCOUNT))
        assert granted.amount == Decimal(1900)


def test_a_discount_of_everything_leaves_an_older_release_nothing_to_undo() -> None:
    all_of_it = Discount(status=DiscountStatus.GRANTED, percent=Decimal(100), reason="much")
    free = submitted().model_copy(update={"discount": all_of_it, "amount": Decimal(0), "full_amount": None})
    asked = with_request(free, DiscountForm(percent=Decimal(5), reason="less"))
    assert (asked.full_amount, asked.amount) == (None, None)


def test_an_order_is_confirmed_for_the_sum_it_was_submitted_with() -> None:
    confirmed = decided(submitted(), DecisionForm(decision=Decision.CONFIRM))
    assert (confirmed.status, confirmed.amount) == (OrderStatus.CONFIRMED, Decimal(2000))
