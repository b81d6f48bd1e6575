"""The chat of a client's company with its managers (S9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.fields import Form, Long


class ChatForm(Form):
    text: Long


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`of_customer`: written by the client, else by one of us."""

    id: UUID
    customer_id: UUID
    author: str
    of_customer: bool
    text: str
    created_at: datetime

    @property
    def audit_subject(self) -> str:
        return f"chats/{self.customer_id}"


@dataclass(frozen=True, slots=True)
class ChatTold:
    """`GET /chats/{customer_id}/messages` has the text."""

    id: UUID
    customer_id: UUID
    author: str
    of_customer: bool
