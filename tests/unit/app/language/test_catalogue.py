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
SLICES = ("records", "deals", "contracts", "catalogue", "orders", "claims", "community", "chats")


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


def _details():
    """Every plain text that the slices of sales say to people: second and third arguments of problems."""
    for slice_ in SLICES:
        for path in (Path(app.__file__).parent / slice_).glob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") in (
                    "FieldError",
                    "ProblemError",
                    "said",
                ):
                    *_, last = call.args
                    if isinstance(last, ast.Constant):
                        yield last.value


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_title_and_every_text_of_sales_is_in_the_catalogue(language):
    asked = {kind.value.title for kind in Problem} | set(_details())
    assert len(asked) > 50
    assert asked - set(texts(language)) == set()


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
