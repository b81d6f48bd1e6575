"""What an answer shows of whom. Pure.

Endpoints have nothing to do: `app.http.shown` notes each value that has an `id`, as `customers/0198…` of a
`Customer`, and looks into lists and pages. A type that is not called by its path says `audit_subject`. An
answer of figures shows nobody it tells of: `name` says whom.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache
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
        _gather(value, found)


def name(subjects: Iterable[str]) -> None:
    """What is about to be shown is about these, as `cards/0198…`, though no value of it is one of them."""
    found = _shown.get()
    if found is not None:
        found.extend(subjects)


def subjects_of(value: object) -> list[str]:
    found: list[str] = []
    _gather(value, found)
    return found


def _gather(value: Any, found: list[str]) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _gather(item, found)
        return
    if (subject := getattr(value, "audit_subject", None)) is not None:
        found.append(subject)
    elif isinstance(id_ := getattr(value, "id", None), UUID):
        found.append(f"{_noun(type(value).__name__)}/{id_}")
    for part in (getattr(value, "items", None), getattr(value, "customer", None)):
        if part is not None and not callable(part):
            _gather(part, found)


@cache
def _noun(name: str) -> str:
    return f"{name.lower()}s"
