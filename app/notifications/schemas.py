"""Notifications: kept until they are read (R8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from app.topics.schemas import Importance


class NoticeKind(StrEnum):
    ASSIGNED = "assigned"
    REACTION_OVERDUE = "reaction_overdue"
    SOLUTION_OVERDUE = "solution_overdue"
    WAITING_OVERDUE = "waiting_overdue"
    ANSWERED = "answered"
    STATISTICS = "statistics"


@dataclass(frozen=True, slots=True)
class Notification:
    """About a request, whose `subject` it tells, or about the statistics of a half month (its first day)."""

    id: UUID
    recipient: str
    kind: NoticeKind
    importance: Importance
    request_id: UUID | None
    subject: str | None
    created_at: datetime
    read_at: datetime | None
    half_month: date | None


@dataclass(frozen=True, slots=True)
class Read:
    """`id` was read at `read_at`; reading again changes nothing."""

    id: UUID
    read_at: datetime


Notifications = Sequence[Notification]
