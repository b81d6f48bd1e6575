"""Calls: their timers, their recordings, and how long those are kept (R14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import StringConstraints, model_validator

from app.fields import Form, Moment, Opaque, Short

Link = Annotated[str, StringConstraints(pattern=r"^https?://[!-~]{1,900}$")]


class CallDirection(StrEnum):
    IN = "in"
    OUT = "out"


class CallForm(Form):
    """As the telephone system tells it, whole or while it lasts. `external_id` is its own id of the call."""

    external_id: Opaque
    direction: CallDirection
    phone: Opaque
    operator: Short | None = None
    customer_id: UUID | None = None
    request_id: UUID | None = None
    started_at: Moment
    answered_at: Moment | None = None
    ended_at: Moment | None = None
    recording: Link | None = None
    personal_data_changed: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        moments = [at for at in (self.started_at, self.answered_at, self.ended_at) if at is not None]
        if moments != sorted(moments):
            raise ValueError("a call starts, is answered, and ends, in this order")
        return self


@dataclass(frozen=True, slots=True)
class Call:
    """`waited_seconds` before the answer, `talked_seconds` after it; `keep_until` null: for ever."""

    id: UUID
    external_id: str
    direction: CallDirection
    phone: str
    operator: str | None
    customer_id: UUID | None
    request_id: UUID | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    recording: str | None
    personal_data_changed: bool
    keep_until: datetime | None
    waited_seconds: float | None
    talked_seconds: float | None
