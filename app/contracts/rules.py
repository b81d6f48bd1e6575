"""How a contract goes on and ends. Pure."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

from app.contracts.schemas import Contract, ContractStatus
from app.errors import FieldError, Problem, ProblemError, invalid


def months_on(day: date, months: int) -> date:
    """The same day so many months later; the last of a month where there is no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def in_force(contract: Contract, today: date) -> bool:
    begun = contract.status is ContractStatus.ACTIVE and contract.valid_from <= today
    return begun and (contract.valid_until is None or today <= contract.valid_until)


def prolonged(contract: Contract, until: date | None) -> Contract:
    """With a new last day: the one given, else by the contract's own terms.

    Raises ProblemError: wrong-state where there is nothing to prolong, validation for a day that is no later.
    """
    refuse_ended(contract)
    if contract.valid_until is None:
        raise ProblemError(Problem.WRONG_STATE, "the contract has no end", state="without-end")
    if until is None and contract.prolongation is None:
        raise invalid([FieldError("/until", "required", "the contract has no terms of prolongation")])
    if until is None and contract.prolongation is not None:
        until = months_on(contract.valid_until, contract.prolongation.months)
    assert until is not None
    if until <= contract.valid_until:
        raise invalid([FieldError("/until", "not-later", "the contract lasts until then already")])
    return contract.model_copy(update={"valid_until": until})


def due(contract: Contract, today: date) -> bool:
    """Whether its automatic prolongation is to be done."""
    terms = contract.prolongation
    if terms is None or not terms.automatic or contract.valid_until is None:
        return False
    return contract.valid_until - timedelta(days=terms.notice_days) <= today


def terminated(contract: Contract) -> Contract:
    refuse_ended(contract)
    return contract.model_copy(update={"status": ContractStatus.TERMINATED})


def refuse_ended(contract: Contract) -> None:
    if contract.status is ContractStatus.TERMINATED:
        raise ProblemError(Problem.WRONG_STATE, "the contract was ended", state=contract.status)
