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
    require(order, OPEN_TO_DISCOUNTS)
    asked = Discount(status=DiscountStatus.REQUESTED, percent=form.percent, reason=form.reason)
    return order.model_copy(update={"discount": asked})


def decided(order: Order, form: DecisionForm, allowed: Mapping[str, Allowed]) -> Order:
    """After a decision on our side; `allowed` has the prices that an amount is made of."""
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
    changed = order.model_copy(update={"discount": discount.model_copy(update=update)})
    total = amount(changed, allowed)
    if total is None and order.amount is not None:  # what was ordered for a sum keeps having one
        raise ProblemError(
            Problem.WRONG_STATE, "the contract has no price for it any more", state="without-price"
        )
    return changed.model_copy(update={"amount": total})


def with_vehicle(order: Order, vehicle: Vehicle) -> Order:
    require(order, OPEN_TO_VEHICLES)
    return order.model_copy(update={"vehicle": vehicle})


def put_away(order: Order, archived: bool) -> Order:
    if archived:
        require(order, ARCHIVABLE)
    return order.model_copy(update={"archived": archived})


def amount(order: Order, allowed: Mapping[str, Allowed]) -> Decimal | None:
    """By the contract's prices, less a granted discount; None while a price is not known."""
    if not order.items or any(item.product not in allowed for item in order.items):
        return None
    total = sum((allowed[item.product].price * item.quantity for item in order.items), Decimal(0))
    if order.discount is not None and order.discount.status is DiscountStatus.GRANTED:
        total *= 1 - order.discount.percent / 100
    return total.quantize(_CENT, ROUND_HALF_UP)
