"""What a stage asks of a deal: fields, consistency, order. Pure.

A comparison with something that is not given is unknown: it neither fulfils a condition of `when` nor
violates one of `then`. That a field must be there is said by `requires` or by the operator `given`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.deals.schemas import (
    Condition,
    Consistency,
    Deal,
    DealStageForm,
    Operator,
    Outcome,
    TaskTemplate,
    Term,
    kind_of,
    read_value,
)
from app.errors import FieldError, Problem, ProblemError
from app.language.said import ready

Value = Decimal | date | str | None

_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What a stage may ask of the customer's card."""

    inn: str | None
    kpp: str | None
    ogrn: str | None
    contacts: int


def value_of(term: Term, deal: Deal, customer: CustomerFacts) -> Value:
    of_customer = term.removeprefix("customer.")
    found = getattr(customer, of_customer) if of_customer != term else getattr(deal, term.value)
    if found is None or term is Term.CUSTOMER_CONTACTS:
        return str(found) if found else None
    return Decimal(found) if kind_of(term) is Decimal else found


def pointer(term: Term) -> str:
    return "/" + term.replace(".", "/")


def shortcomings(stage: DealStageForm, deal: Deal, customer: CustomerFacts) -> list[FieldError]:
    """Everything that keeps the deal out of the stage, field by field."""
    values = {term: value_of(term, deal, customer) for term in Term}
    return [*_missing(stage, values), *_conflicts(stage.rules, values)]


def _missing(stage: DealStageForm, values: Mapping[Term, Value]) -> Iterator[FieldError]:
    for term in stage.requires:
        if values[term] is None:
            yield FieldError(pointer(term), "required-by-stage", "this stage needs the field")


def _conflicts(rules: Sequence[Consistency], values: Mapping[Term, Value]) -> Iterator[FieldError]:
    for rule in rules:
        if all(_holds(each, values) is True for each in rule.when):
            broken = next((each for each in rule.then if _holds(each, values) is False), None)
            if broken is not None:
                yield FieldError(pointer(broken.field), rule.code, ready(rule.message.model_dump()))


def _holds(condition: Condition, values: Mapping[Term, Value]) -> bool | None:
    """None: not known, as something is not given."""
    left = values[condition.field]
    if condition.op is Operator.GIVEN:
        return left is not None
    if condition.op is Operator.MISSING:
        return left is None
    right = _beside(condition, values)
    if left is None or right is None:
        return None
    return _COMPARE[condition.op](left, right)


def _beside(condition: Condition, values: Mapping[Term, Value]) -> Value:
    """What the field is compared with."""
    if condition.other is not None:
        return values[condition.other]
    assert condition.value is not None
    return read_value(condition.field, condition.value)


def check_move(stage: DealStageForm, deal: Deal | None) -> None:
    """Whether a deal may come to the stage from where it is; None: whether it may begin there."""
    if deal is not None and deal.outcome is not Outcome.OPEN:
        raise ProblemError(Problem.WRONG_STATE, "the deal has ended", state=deal.stage)
    reached = not stage.follows if deal is None else deal.stage in stage.follows
    if not (stage.active and reached):
        state = "none" if deal is None else deal.stage
        raise ProblemError(Problem.WRONG_STATE, "the stage is not reached from here", state=state)


def due_on(template: TaskTemplate, today: date) -> date:
    return today + timedelta(days=template.due_days)
