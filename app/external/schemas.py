"""What another system tells of a request that was handed over to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.fields import Form, Long, Opaque, Short


class Course(StrEnum):
    """What it means for us."""

    OPEN = "open"  # it works on it
    RETURNED = "returned"  # it gives the request back
    SOLVED = "solved"  # it is done, and so is the request


class StatusForm(Form):
    """`status`: in its own words; `resolution` is needed with `solved`."""

    status: Short
    course: Course = Course.OPEN
    resolution: Long | None = None
    note: Annotated[Opaque | None, Field(description="Goes into the history")] = None

    @model_validator(mode="after")
    def _solved_says_how(self) -> Self:
        if self.course is Course.SOLVED and self.resolution is None:
            raise ValueError("resolution is needed with solved")
        return self


class ExternalMessageForm(Form):
    """A letter of its staff to ours; `external_id` is its own id, accepted once."""

    author: Short
    text: Long
    external_id: Opaque | None = None
