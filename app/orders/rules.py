"""The life of an order: THE table, and what else may be done with one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from app.errors import Problem, ProblemError
from app.language.said import said
from app.orders.schemas import (
    Allowed,
    Decision,
    DecisionForm,
    Discount,
    DiscountForm,
    DiscountStatus,
    Order,
    OrderStatus,
    Vehicle,
)

S = OrderStatus
# Step: from where, and where to.
STEPS: Mapping[str, tuple[frozenset[OrderStatus], OrderStatus]] = {
    "submitted": (frozenset({S.DRAFT}), S.SUBMITTED),
    "cancelled": (frozenset({S.DRAFT, S.SUBMITTED}), S.CANCELLED),
    "confirmed": (frozenset({S.SUBMITTED}), S.CONFIRMED),
    "refused": (frozenset({S.SUBMITTED}), S.REFUSED),
    "shipped": (frozenset({S.CONFIRMED}), S.SHIPPED),
    "completed": (frozenset({S.SHIPPED}), S.COMPLETED),
}
DECIDED = {
    Decision.CONFIRM: "confirmed",
    Decision.REFUSE: "refused",
    Decision.SHIP: "shipped",
    Decision.COMPLETE: "completed",
    Decision.GRANT_DISCOUNT: "discount_granted",
    Decision.REFUSE_DISCOUNT: "discount_refused",
}
OPEN_TO_CHANGES = frozenset({S.DRAFT})
OPEN_TO_DISCOUNTS = frozenset({S.DRAFT, S.SUBMITTED})
OPEN_TO_VEHICLES = frozenset({S.DRAFT, S.SUBMITTED, S.CONFIRMED})
# What is on its way cannot be put out of sight.
ARCHIVABLE = frozenset({S.DRAFT, S.REFUSED, S.COMPLETED, S.CANCELLED})

_CENT = Decimal("0.01")


def require(order: Order, states: frozenset[OrderStatus]) -> None:
    if order.status not in states:
        allowed = ", ".join(sorted(states))
        raise ProblemError(
            Problem.WRONG_STATE, said("it has to be in state {states}", states=allowed), state=order.status
        )


def stepped(order: Order, step: str) -> Order:
    states, target = STEPS[step]
    require(order, states)
    return order.model_copy(update={"status": target})


def with_request(order: Order, form: DiscountForm) -> Order:
    """The request takes the place of the one before, granted or not."""
    require(order, OPEN_TO_DISCOUNTS)
    asked = Discount(status=DiscountStatus.REQUESTED, percent=form.percent, reason=form.reason)
    return _discounted(order, asked)


def decided(order: Order, form: DecisionForm) -> Order:
    """After a decision on our side."""
    step = DECIDED[form.decision]
    if step in STEPS:
        return stepped(order, step)
    require(order, OPEN_TO_DISCOUNTS)
    discount = order.discount
    if discount is None or discount.status is not DiscountStatus.REQUESTED:
        raise ProblemError(Problem.WRONG_STATE, "no discount is asked for", state="no-discount-requested")
    granted = form.decision is Decision.GRANT_DISCOUNT
    status = DiscountStatus.GRANTED if granted else DiscountStatus.REFUSED
    update = {"status": status, "percent": form.percent or discount.percent}
    return _discounted(order, discount.model_copy(update=update))


def with_vehicle(order: Order, vehicle: Vehicle) -> Order:
    require(order, OPEN_TO_VEHICLES)
    return order.model_copy(update={"vehicle": vehicle})


def put_away(order: Order, archived: bool) -> Order:
    if archived:
        require(order, ARCHIVABLE)
    return order.model_copy(update={"archived": archived})


def total(order: Order, allowed: Mapping[str, Allowed]) -> Decimal:
    """By the contract's prices, before any discount. The contract allows every item."""
    sums = (allowed[item.product].price * item.quantity for item in order.items)
    return sum(sums, Decimal(0)).quantize(_CENT, ROUND_HALF_UP)


def priced(order: Order, full: Decimal | None) -> Order:
    """With the full amount, and the amount: that less a discount if it is granted."""
    rest = _rest(order.discount)
    amount = None if full is None else (full * rest).quantize(_CENT, ROUND_HALF_UP)
    return order.model_copy(update={"full_amount": full, "amount": amount})


def _discounted(order: Order, discount: Discount) -> Order:
    return priced(order.model_copy(update={"discount": discount}), _full(order))


def _full(order: Order) -> Decimal | None:
    """None of a draft: its prices are settled when it is submitted.

    What the release before submitted has a lessened amount alone: the discount is undone. Not one of 100 %,
    which left nothing to undo it from.
    """
    rest = _rest(order.discount)
    if order.full_amount is not None or order.amount is None or not rest:
        return order.full_amount
    return (order.amount / rest).quantize(_CENT, ROUND_HALF_UP)


def _rest(discount: Discount | None) -> Decimal:
    """The part of the full amount that is to be paid."""
    if discount is None or discount.status is not DiscountStatus.GRANTED:
        return Decimal(1)
    return 1 - discount.percent / 100
