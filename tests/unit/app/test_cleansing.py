from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import cleansing

TEXTS = st.text(max_size=60) | st.text(alphabet=' "«»()[]{}-–,.;*\u00a0\u200bабвAB1\n', max_size=40)


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ("  ООО   Ромашка  ", "ООО Ромашка"),
        ("ООО «Ромашка»", 'ООО "Ромашка"'),
        ('ООО ""Ромашка""', 'ООО "Ромашка"'),
        ("ООО «Ромашка", "ООО Ромашка"),
        ('ООО "Торговый дом "Ромашка"', 'ООО "Торговый дом Ромашка"'),
        ("Ромашка (Москва", "Ромашка Москва"),
        ("Ромашка) Москва(", "Ромашка Москва"),
        ("Ромашка ( Москва ) [x}", "Ромашка (Москва) x"),
        ("Ромашка () Москва", "Ромашка Москва"),
        ("Ромашка*\u00a0№ 5\u200b", "Ромашка № 5"),
        ("Иванов — Петров", "Иванов - Петров"),
        ("О'Коннор", "О'Коннор"),
        ("Кафе\u0301", "Кафе\u0301"),
        ("«»", ""),
        ("АО «А-Я», ", 'АО "А-Я"'),
    ],
)
def test_a_name_is_cleansed(given_, made):
    assert cleansing.name(given_) == made


@given(TEXTS)
def test_cleansing_again_changes_nothing(text):
    made = cleansing.name(text)
    assert cleansing.name(made) == made


@given(TEXTS)
def test_a_clean_name_has_balanced_brackets_even_quotes_and_single_spaces(text):
    made = cleansing.name(text)
    assert cleansing.brackets(made) == made
    assert made.count('"') % 2 == 0
    assert "  " not in made
    assert made == made.strip()
    assert made.isprintable()


@given(TEXTS)
def test_cleansing_loses_no_letter_or_digit(text):
    def letters(value):
        return [c for c in cleansing.unicode_form(value) if c.isalnum()]

    assert letters(cleansing.name(text)) == letters(text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ('ООО "Тёплый Дом"', ("теплый", "дом")),
        ("АО ООО", ("ао", "ооо")),
        ("Дом дом ДОМ-2", ("дом", "2")),
        ("", ()),
    ],
)
def test_words_are_what_a_name_is_found_by(name, words):
    assert cleansing.words(name) == words


@pytest.mark.parametrize(
    ("given_", "made", "key"),
    [
        (
            "117420,  г.Москва, ул.Ленина,дом 5 , кв. 12",
            "117420, г Москва, ул Ленина, д 5, кв 12",
            "12 5 ленина москва",
        ),
        ("Москва, улица Ленина 5-12", "Москва, ул Ленина 5-12", "12 5 ленина москва"),
        ("город Москва, пр-т Мира д.3 корп.2", "г Москва, пр-кт Мира д 3 к 2", "2 3 мира москва"),
        ("Московская область, посёлок Лесной", "Московская обл, пос Лесной", "лесной московская"),
        ("ул. Дом Советов", "ул д Советов", "советов"),
    ],
)
def test_an_address_is_brought_to_official_short_forms(given_, made, key):
    assert cleansing.address(given_) == made
    assert cleansing.address_key(made) == key


@given(TEXTS | st.text(alphabet="дуг.,- Лл5к", max_size=30))
def test_an_address_cleansed_again_stays(text):
    made = cleansing.address(text)
    assert cleansing.address(made) == made
    assert len(cleansing.address_key(text)) <= cleansing.MAX_ADDRESS_KEY
