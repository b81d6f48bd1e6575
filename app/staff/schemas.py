"""Who works here: units with their heads, people with their skills, lines and zones."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.directory.model import Code, Directory, Entry, Localized
from app.fields import Short
from app.topics.schemas import Line

Codes = Annotated[tuple[Code, ...], Field(max_length=100)]


class UnitForm(Entry):
    """A department, regional office or partner. Its head answers for it and for the units below."""

    title: Localized
    parent: Code | None = None
    region: Code | None = None
    head: Code | None = None


class PersonForm(Entry):
    """One who works on requests. `regions` empty: any; `capacity`: open requests at once."""

    name: Short
    unit: Code
    skills: Codes = ()
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=3)] = (1,)
    regions: Codes = ()
    capacity: Annotated[int, Field(ge=1, le=1000)] = 20
    present: bool = True


UNITS = Directory("units", "crm.unit", UnitForm)
PEOPLE = Directory("people", "crm.person", PersonForm)
