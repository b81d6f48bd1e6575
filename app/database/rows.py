"""Rows into what they stand for."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def stored(kind: type[T], values: dict[str, Any]) -> T:
    """A frozen dataclass of values that need no check: they had one before they were stored, or are ours.

    It keeps `values`, which has all of its fields in their order, and goes past its `__init__`: that sets
    field by field and costs five times as much, and a page has a hundred of them. Not for a class with slots,
    which orjson also takes four times as long to write.
    """
    made = object.__new__(kind)
    object.__setattr__(made, "__dict__", values)
    return made
