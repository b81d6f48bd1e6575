"""Reference data that an administrator edits: one mechanism for every directory, with all versions kept.

A directory is a table of its own (real columns, real foreign keys) whose columns are the fields of its form,
plus `version`, `changed_at`, `changed_by`. Every version is also kept in crm.directory_version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.fields import Form, Long, Short

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""How an entry is called by other entries, requests and integrated systems. Never changes."""


class Localized(Form):
    """A short text in the three languages of the house."""

    ru: Short
    en: Short
    kk: Short


class LocalizedText(Form):
    """A long text in the three languages of the house."""

    ru: Long
    en: Long
    kk: Long


class Entry(Form):
    """What an administrator enters. Subclasses add fields named as the columns of their table."""

    code: Code
    active: bool = True


E = TypeVar("E", bound=Entry)


class Kept(BaseModel, Generic[E]):
    """One version of an entry, and who made it when."""

    model_config = ConfigDict(frozen=True)

    version: int = Field(ge=1)
    changed_at: datetime
    changed_by: str
    content: E


class Listing(BaseModel, Generic[E]):
    """Entries by code; `next` is the address of the next page, null on the last."""

    items: list[Kept[E]]
    next: str | None


@dataclass(frozen=True, slots=True)
class Directory(Generic[E]):
    """`name` is the word in addresses and in the history, `table` holds the present versions."""

    name: str
    table: str
    form: type[E]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.form.model_fields)
