"""A record as people read it: labels, states, dates, numbers and sums in their language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_currency
from pydantic import BaseModel

from app.directory.model import Localized
from app.language.catalogue import ENGLISH, local, translate

SUMS = frozenset({"amount", "full_amount", "credit_limit", "price"})


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Display:
    """Fields that are given, in the record's order; nested ones have their own forms."""

    language: str
    fields: Sequence[Field]


def display(record: BaseModel, language: str) -> Display:
    currency = getattr(record, "currency", None)
    fields = []
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, Localized):
            value = getattr(value, language)
        if value is None or isinstance(value, BaseModel | tuple):
            continue
        sum_of = currency if name in SUMS and isinstance(value, Decimal) else None
        text = format_currency(value, sum_of, locale=language) if sum_of else local(value, language)
        fields.append(Field(name, _label(name, language), text))
    return Display(language, fields)


def _label(name: str, language: str) -> str:
    """English has no catalogue: its labels are the names themselves, as words."""
    if language == ENGLISH:
        return name.removesuffix("_id").replace("_", " ").capitalize()
    return translate(name, language)
