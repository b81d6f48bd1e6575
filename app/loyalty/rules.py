"""How many points a purchase gives, by which rule, and what of them can be booked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from app.loyalty.schemas import AccrualRuleForm, Basis

CENT = Decimal("0.01")
# One mistyped transaction must not stop the accruals of all others by overflowing an account.
MOST = Decimal(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Bought:
    """A transaction of a customer's card. Negative for a return."""

    processing_id: str
    customer_id: UUID
    station: str
    product: str
    quantity: Decimal
    amount: Decimal
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    version: int
    form: AccrualRuleForm


@dataclass(frozen=True, slots=True)
class Accrual:
    """What is booked for a purchase. `short`: what a return should have taken besides, and was not there."""

    bought: Bought
    points: Decimal
    rule: Rule
    short: Decimal = Decimal(0)


def rule_for(rules: Sequence[Rule], bought: Bought) -> Rule | None:
    """The first that fits; `rules` in the order in which they are tried."""
    return next((rule for rule in rules if _fits(rule.form, bought)), None)


def _fits(rule: AccrualRuleForm, bought: Bought) -> bool:
    began = rule.valid_from is None or rule.valid_from <= bought.occurred_at
    ended = rule.valid_until is not None and rule.valid_until <= bought.occurred_at
    here = not rule.stations or bought.station in rule.stations
    of_this = not rule.products or bought.product in rule.products
    return rule.active and began and not ended and here and of_this


def points(rule: AccrualRuleForm, bought: Bought) -> Decimal:
    """Towards zero, to the hundredth: a return takes back exactly what its purchase gave."""
    measured = bought.amount if rule.basis is Basis.AMOUNT else bought.quantity
    return max(min((measured * rule.rate).quantize(CENT, ROUND_DOWN), MOST), -MOST)


def accruals(
    rules: Sequence[Rule], purchases: Iterable[Bought], balances: Mapping[UUID, Decimal]
) -> Iterator[Accrual]:
    """What to book, in the order of the purchases.

    No balance falls below zero: a return of what was spent takes what is left, and the rest is noted.
    """
    left = dict(balances)
    for bought in purchases:
        rule = rule_for(rules, bought)
        wanted = Decimal(0) if rule is None else points(rule.form, bought)
        given = max(wanted, -left[bought.customer_id])
        if rule is None or not given:
            continue
        left[bought.customer_id] += given
        yield Accrual(bought, given, rule, given - wanted)
