"""How texts are said in the languages of the house: catalogues in gettext's form, beside this module.

A text is looked up as it is; one that was composed, by its template: `Said` carries it, an older f-string is
recognised by the templates of the catalogue. What no catalogue has stays English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from app.language.said import Said

ENGLISH = "en"
LANGUAGES = (ENGLISH, "ru", "kk")
_LOCALES = Path(__file__).with_name("locales")
_PLACE = re.compile(r"\{(\w+)\}")
_MAX_RANGES = 20  # of a hostile header, more are not read


def wanted(header: str | None) -> str | None:
    """The language of ours that an Accept-Language asks for first; None if it asks for none of them."""
    if header is None:
        return None
    weighed = []
    for place, part in enumerate(header.split(",")[:_MAX_RANGES]):
        tag, _, quality = part.replace(" ", "").partition(";q=")
        weight = _weight(quality)
        if weight > 0:
            weighed.append((-weight, place, tag))
    tags = [tag for *_, tag in sorted(weighed)]
    return negotiate_locale([tag.partition("-")[0].lower() for tag in tags], LANGUAGES)


def _weight(quality: str) -> float:
    return float(quality) if re.fullmatch(r"[01](\.\d{1,3})?", quality) else 0.0 if quality else 1.0


@cache
def texts(language: str) -> Mapping[str, str]:
    """Everything a catalogue has; English needs none."""
    if language == ENGLISH:
        return {}
    with (_LOCALES / f"{language}.po").open("rb") as file:
        return {str(each.id): str(each.string) for each in read_po(file, locale=language) if each.string}


@cache
def _templates(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Templates that have places, the longest first: the one that says most fits best."""
    found = sorted((id_ for id_ in texts(language) if _PLACE.search(id_)), key=len, reverse=True)
    return tuple((_pattern(id_), id_) for id_ in found)


def _pattern(template: str) -> re.Pattern[str]:
    named = [
        f"(?P<{piece}>.+?)" if place % 2 else re.escape(piece)
        for place, piece in enumerate(_PLACE.split(template))
    ]
    return re.compile("".join(named), re.DOTALL)


def translate(text: str, language: str) -> str:
    if isinstance(text, Said) and text.ready:
        return text.ready.get(language, text)
    if isinstance(text, Said) and text.template in texts(language):
        values = {name: local(value, language) for name, value in text.values.items()}
        return texts(language)[text.template].format(**values)
    if text in texts(language):
        return texts(language)[text]
    for pattern, template in _templates(language):
        match = pattern.fullmatch(text)
        if match is not None:
            values = {name: translate(value, language) for name, value in match.groupdict().items()}
            return texts(language)[template].format(**values)
    return text


def local(value: object, language: str) -> str:
    """A number, date or moment (UTC) as it is written in the language; what somebody wrote stays as it is."""
    locale = Locale.parse(language)
    if isinstance(value, bool):
        return translate("yes" if value else "no", language)
    if isinstance(value, int | Decimal):
        return format_decimal(value, locale=locale, decimal_quantization=False)
    if isinstance(value, datetime):
        return format_datetime(value, "long", locale=locale)
    if isinstance(value, date):
        return format_date(value, "long", locale=locale)
    return translate(value, language) if isinstance(value, StrEnum) else str(value)
