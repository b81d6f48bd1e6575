"""Deals, the tasks of their stages, and the directory of stages (S1, S2)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from app.directory.model import Code, Directory, Entry, Localized
from app.fields import Day, Form, Long, Opaque, Short, day_of
from app.records.model import Filter, Noun, Record


class Payment(StrEnum):
    PREPAID = "prepaid"
    DEFERRED = "deferred"


class Outcome(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Terms(Form):
    """What is agreed step by step. Which of it must be given is the stage's to say."""

    title: Short
    owner: Opaque | None = Field(None, description="Who does the tasks; left out: whoever opens the deal")
    contact: Short | None = None
    product: Short | None = None
    planned_volume: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=3)] | None = Field(
        None, description="Litres a month"
    )
    payment: Payment | None = None
    deferral_days: Annotated[int, Field(ge=0, le=365)] | None = None
    credit_limit: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)] | None = None
    discount_percent: Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)] | None = None
    starts: Day | None = None
    ends: Day | None = None
    unit: Code | None = Field(None, description="Who will serve the contract")
    contract_number: Opaque | None = None
    comment: Long | None = None


class DealForm(Terms):
    customer_id: UUID
    stage: Code = "contact"


class TermsChange(Terms):
    """Fields that are not sent stay as they are; null clears."""

    title: Short = "-"


class StageForm(Form):
    stage: Code
    note: Short | None = None


class NoteForm(Form):
    note: Short | None = None


class Deal(Record):
    number: str
    stage: str
    outcome: Outcome
    title: str
    owner: str
    contact: str | None
    product: str | None
    planned_volume: Decimal | None
    payment: Payment | None
    deferral_days: int | None
    credit_limit: Decimal | None
    discount_percent: Decimal | None
    starts: date | None
    ends: date | None
    unit: str | None
    contract_number: str | None
    comment: str | None

    @property
    def state(self) -> str:
        return self.stage


class DealFilter(Filter):
    stage: Code | None = None
    outcome: Outcome | None = None
    owner: Opaque | None = None
    number: Opaque | None = None


class TaskStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"  # its deal left the stage


class Task(Record):
    """What a stage asks somebody to do."""

    deal_id: UUID
    stage: str
    template: str
    title: Localized
    assignee: str
    due_on: date
    status: TaskStatus

    @property
    def state(self) -> str:
        return self.status


class TaskFilter(Filter):
    deal_id: UUID | None = None
    assignee: Opaque | None = None
    status: TaskStatus | None = None


DEALS = Noun(
    "deals",
    "deal",
    "deal",
    "crm.deal",
    Deal,
    DealFilter,
    {
        "opened": "a deal with a customer was opened",
        "changed": "terms of a deal were changed",
        "moved": "a deal came to another stage",
    },
)
TASKS = Noun(
    "tasks",
    "task",
    "deal",
    "crm.task",
    Task,
    TaskFilter,
    {
        "set": "a stage of a deal asks for something to be done",
        "done": "a task was done",
        "dropped": "a task is not needed any more, as its deal has moved on",
    },
)


class Term(StrEnum):
    """What a stage may require and compare: fields of the deal, and of its customer's card."""

    TITLE = "title"
    CONTACT = "contact"
    PRODUCT = "product"
    PLANNED_VOLUME = "planned_volume"
    PAYMENT = "payment"
    DEFERRAL_DAYS = "deferral_days"
    CREDIT_LIMIT = "credit_limit"
    DISCOUNT_PERCENT = "discount_percent"
    STARTS = "starts"
    ENDS = "ends"
    UNIT = "unit"
    CONTRACT_NUMBER = "contract_number"
    COMMENT = "comment"
    CUSTOMER_INN = "customer.inn"
    CUSTOMER_KPP = "customer.kpp"
    CUSTOMER_OGRN = "customer.ogrn"
    CUSTOMER_CONTACTS = "customer.contacts"


NUMBERS = frozenset({Term.PLANNED_VOLUME, Term.DEFERRAL_DAYS, Term.CREDIT_LIMIT, Term.DISCOUNT_PERCENT})
DATES = frozenset({Term.STARTS, Term.ENDS})


class Operator(StrEnum):
    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    GIVEN = "given"
    MISSING = "missing"


class Condition(Form):
    """A field beside a value or another field of its kind. Dates are written as 2026-01-31."""

    field: Term
    op: Operator
    value: Decimal | str | None = None
    other: Term | None = None

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        alone = self.op in (Operator.GIVEN, Operator.MISSING)
        if (self.value is None) + (self.other is None) != (2 if alone else 1):
            raise ValueError("a comparison takes either value or other; given and missing take neither")
        if self.other is not None and kind_of(self.other) is not kind_of(self.field):
            raise ValueError("both fields must be of one kind")
        if self.value is not None:
            read_value(self.field, self.value)
        return self


def kind_of(term: Term) -> type[Decimal | date | str]:
    return Decimal if term in NUMBERS else date if term in DATES else str


def read_value(term: Term, value: Decimal | str) -> Decimal | date | str:
    """A condition's value as the field's kind; numbers lie in the database as texts. Raises ValueError."""
    kind = kind_of(term)
    if kind is Decimal:
        return _number(term, value)
    if isinstance(value, Decimal):
        raise ValueError(f"{term} is compared with a text")  # noqa: TRY004 - pydantic reads ValueError
    return day_of(value) if kind is date else value


def _number(term: Term, value: Decimal | str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{term} is compared with a number")
    return number


class Consistency(Form):
    """Whenever all of `when` holds, all of `then` must; else the message is shown at the first field."""

    code: Code
    when: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()
    then: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=20)]
    message: Localized


class TaskTemplate(Form):
    code: Code
    title: Localized
    due_days: Annotated[int, Field(ge=0, le=365)]


class DealStageForm(Entry):
    """`follows`: the stages it is reached from; empty: a deal may begin here."""

    title: Localized
    position: Annotated[int, Field(ge=0, le=10_000)]
    outcome: Outcome = Outcome.OPEN
    follows: Annotated[tuple[Code, ...], Field(max_length=50)] = ()
    requires: Annotated[tuple[Term, ...], Field(max_length=len(Term))] = ()
    rules: Annotated[tuple[Consistency, ...], Field(max_length=50)] = ()
    tasks: Annotated[tuple[TaskTemplate, ...], Field(max_length=20)] = ()


STAGES = Directory("deal-stages", "crm.deal_stage", DealStageForm)
