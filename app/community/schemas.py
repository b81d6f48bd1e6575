"""The feed of the portal's clients and the messenger between them (S9): each is everybody's friend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from app.fields import Form, Long

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@-]{1,99}$")]


class Category(StrEnum):
    NEWS = "news"
    QUESTION = "question"
    EXPERIENCE = "experience"
    EVENT = "event"


class PostForm(Form):
    category: Category = Category.NEWS
    text: Long


class LetterForm(Form):
    text: Long


@dataclass(frozen=True, slots=True)
class Post:
    id: UUID
    author: str
    category: Category
    text: str
    created_at: datetime
    hidden: bool


@dataclass(frozen=True, slots=True)
class PostTold:
    """`GET /posts` has the text."""

    id: UUID
    author: str
    category: Category


@dataclass(frozen=True, slots=True)
class Letter:
    id: UUID
    sender: str
    recipient: str
    text: str
    created_at: datetime
    read_at: datetime | None

    @property
    def audit_subject(self) -> str:
        return f"letters/{self.id}"


@dataclass(frozen=True, slots=True)
class Conversation:
    """With whom, the last letter, and how many of theirs are not read. `id` is the last letter's."""

    id: UUID
    peer: str
    sender: str
    text: str
    created_at: datetime
    unread: int


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Members:
    """By name; `next` is the address of the next page, null on the last."""

    items: Sequence[Member]
    next: str | None


@dataclass(frozen=True, slots=True)
class ReadUntil:
    read: int
