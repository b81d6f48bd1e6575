"""What an answer shows of whom. Pure.

Endpoints have nothing to do: `app.http.shown` notes each value that has an `id`, as `customers/0198…` of a
`Customer`, and looks into lists and pages. A type that is not called by its path says `audit_subject`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from app.access.operations import Need
from app.access.policy import Action, Resource

# Reading all the rest is recorded, what was never thought of too.
NOTHING_PERSONAL = frozenset({Resource.DIRECTORY, Resource.REFERENCE})

_shown: ContextVar[list[str] | None] = ContextVar("shown", default=None)


def is_disclosure(need: Need) -> bool:
    return need.action is Action.READ and need.resource not in NOTHING_PERSONAL


def collect() -> list[str]:
    """From here on, subjects of what this task shows are put into the list returned."""
    found: list[str] = []
    _shown.set(found)
    return found


def note(value: object) -> None:
    """The value is about to be shown."""
    found = _shown.get()
    if found is not None:
        found.extend(subjects_of(value))


def subjects_of(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from subjects_of(item)
        return
    if hasattr(value, "audit_subject"):
        yield value.audit_subject
    elif isinstance(getattr(value, "id", None), UUID):
        yield f"{type(value).__name__.lower()}s/{value.id}"
    for part in (getattr(value, "items", None), getattr(value, "customer", None)):
        if part is not None and not callable(part):
            yield from subjects_of(part)
