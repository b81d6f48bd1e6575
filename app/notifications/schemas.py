"""Notifications: kept until they are read (R8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.topics.schemas import Importance


class NoticeKind(StrEnum):
    ASSIGNED = "assigned"
    REACTION_OVERDUE = "reaction_overdue"
    SOLUTION_OVERDUE = "solution_overdue"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Notification:
    """`subject` is that of the request it is about."""

    id: UUID
    recipient: str
    kind: NoticeKind
    importance: Importance
    request_id: UUID
    subject: str
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Read:
    """`id` was read at `read_at`; reading again changes nothing."""

    id: UUID
    read_at: datetime


Notifications = Sequence[Notification]
