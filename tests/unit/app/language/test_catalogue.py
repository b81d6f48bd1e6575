"""Texts, dates and numbers in Russian, English and Kazakh."""

from __future__ import annotations

import ast
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import app
from app.errors import FieldError, Problem, ProblemError
from app.language.catalogue import LANGUAGES, local, texts, translate, wanted
from app.language.said import ready, said
from app.orders.schemas import OrderStatus
from app.problems import in_language

TRANSLATED = [language for language in LANGUAGES if language != "en"]
# What is told to those who run the API, when it starts or by the command line, and not to its users.
TO_OPERATORS = {
    *("app/settings.py", "app/cards/keys.py", "app/database/copies.py", "app/audit/verification.py"),
    "app/database/units.py",
}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, None),
        ("ru", "ru"),
        ("kk-KZ,ru;q=0.9", "kk"),
        ("en;q=0.5, ru-RU;q=0.8", "ru"),
        ("de, fr;q=0.9", None),
        ("de, kk; q=0.1", "kk"),
        ("ru;q=0", None),
        ("*", None),
        ("ru;q=much", None),
        ("", None),
        ("," * 10_000, None),
    ],
)
def test_the_language_is_the_first_of_ours_that_is_accepted(header, language):
    assert wanted(header) == language


def _said():
    """Everything that the API says of a problem in the code itself: (where, an example of the text)."""
    root = Path(app.__file__).parents[1]
    for path in sorted((root / "app").rglob("*.py")):
        where = str(path.relative_to(root))
        if where in TO_OPERATORS:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
            if name in ("FieldError", "ProblemError", "said") and call.args:
                yield from ((where, text) for text in _example(call.args[-1]))
            elif name == "ValueError" and call.args:  # pydantic says so before what a form's check found
                yield from ((where, f"Value error, {text}") for text in _example(call.args[0]))


def _example(text):
    """A constant as it is, an f-string with a word in each of its places."""
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        yield text.value
    elif isinstance(text, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "Q" for part in text.values]
        if len("".join(parts)) > len("Q: Q"):  # what is put together of other texts says nothing of its own
            yield "".join(parts)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_title_and_every_text_is_in_the_catalogue(language):
    assert {kind.value.title for kind in Problem} - set(texts(language)) == set()
    told = set(_said())
    assert len(told) > 100
    missing = {(where, text) for where, text in told if not _is_translated(text, language)}
    assert missing == set()


def _is_translated(text, language):
    """Nothing of the house's English is left in it; names of fields and what people typed may be."""
    said_so = translate(text, language)
    return said_so != text and not said_so.endswith(text.removeprefix("Value error, "))


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_no_other_places_than_its_template(language):
    for template, translation in texts(language).items():
        places = set(re.findall(r"\{\w+\}", translation))
        assert places <= set(re.findall(r"\{\w+\}", template)), template


def test_texts_are_found_as_they_are_and_by_their_templates():
    assert translate("checksum does not match", "ru") == "контрольная сумма не сходится"
    assert translate('the present version is "3"', "ru") == 'текущая версия — "3"'
    assert translate("Value error, must not be blank", "ru") == "Недопустимое значение: не должно быть пустым"
    assert translate("nobody ever said this", "kk") == "nobody ever said this"
    assert translate(said("the contract allows {most} at most", most=Decimal("1234.5")), "ru") == (
        "по договору можно не более 1\u00a0234,5"
    )
    own = {"ru": "Этап", "en": "Stage", "kk": "Кезең"}
    assert [translate(ready(own), language) for language in LANGUAGES] == ["Stage", "Этап", "Кезең"]


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        (date(2026, 1, 31), "ru", "31 января 2026\u202fг."),
        (date(2026, 1, 31), "en", "January 31, 2026"),
        (Decimal("1234567.50"), "en", "1,234,567.5"),
        (Decimal("1234567.50"), "ru", "1\u00a0234\u00a0567,5"),
        (True, "kk", "иә"),
        (OrderStatus.DRAFT, "ru", "черновик"),
        ("draft", "ru", "draft"),
    ],
)
def test_dates_and_numbers_are_written_as_in_the_language(value, language, text):
    assert " ".join(local(value, language).split()) == " ".join(text.split())


def test_a_problem_keeps_its_codes_and_says_the_rest():
    error = ProblemError(
        Problem.VALIDATION, "", errors=[FieldError("/inn", "inn-checksum", "checksum does not match")]
    )
    found = in_language(error, "kk")
    assert found["title"] == "Сұрау сипаттамаға сәйкес келмейді"
    assert found["detail"] == "inn: бақылау сомасы сәйкес емес"
    assert (found["errors"][0].code, found["errors"][0].pointer) == ("inn-checksum", "/inn")
