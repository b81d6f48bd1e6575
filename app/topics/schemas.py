"""What a request can be about, and all that follows from it: queue, line, priority, deadlines, wording."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.directory.model import Code, Directory, Entry, Localized, LocalizedText
from app.fields import Form

MAX_MINUTES = 43_200  # 720 hours of work: what takes longer is a project, not a request
DEFAULT_WAITING_MINUTES = 2_700  # five working days of nine hours


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Importance(StrEnum):
    """How a notification is shown: plain, coloured, or demanding a reaction at once (R8)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Occasion(StrEnum):
    """When the customer is written to (R10)."""

    REGISTERED = "registered"
    CLOSED = "closed"


Line = Annotated[int, Field(ge=1, le=3, description="Line of support")]
Minutes = Annotated[int, Field(ge=1, le=MAX_MINUTES, description="Of working time")]


class Times(Form):
    """Until somebody takes the request, and until it is closed; both from its arrival."""

    reaction_minutes: Minutes
    solution_minutes: Minutes

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.solution_minutes < self.reaction_minutes:
            raise ValueError("solution_minutes must not be less than reaction_minutes")
        return self


class Agreement(Form):
    """The SLA: times for each priority."""

    low: Times
    normal: Times
    high: Times
    critical: Times

    def times(self, priority: Priority) -> Times:
        times: Times = getattr(self, priority.value)
        return times


class Templates(Form):
    """Messages to the customer; $subject, $customer, $operator, $resolution and $due are filled in."""

    registered: LocalizedText | None = None
    closed: LocalizedText | None = None


class QueueForm(Entry):
    """A typed queue and the unit that works on it."""

    title: Localized
    unit: Code


class TopicForm(Entry):
    """`waiting_minutes`: how long a customer who was asked may be silent; null: DEFAULT_WAITING_MINUTES."""

    title: Localized
    queue: Code
    line: Line = 1
    priority: Priority = Priority.NORMAL
    sla: Agreement
    waiting_minutes: Minutes | None = None
    calendar: Code
    importance: Importance = Importance.INFO
    skill: Code | None = None
    scenario: Code | None = None
    templates: Templates = Templates()

    @property
    def may_be_silent(self) -> int:
        """In minutes."""
        return self.waiting_minutes or DEFAULT_WAITING_MINUTES


QUEUES = Directory("queues", "crm.queue", QueueForm)
TOPICS = Directory("topics", "crm.request_topic", TopicForm)
