from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import identifiers
from app.identifiers import IdentifierError


@pytest.mark.parametrize(
    ("check", "text", "form"),
    [
        (identifiers.inn, "7707083893", "7707083893"),
        (identifiers.inn, " 7707 083-893 ", "7707083893"),
        (identifiers.inn, "500100732259", "500100732259"),
        (identifiers.ogrn, "1027700132195", "1027700132195"),
        (identifiers.ogrn, "304500116000157", "304500116000157"),
        (identifiers.kpp, "7736 01001", "773601001"),
        (identifiers.kpp, "7736ab001", "7736AB001"),
        (identifiers.phone, "8 (495) 123-45-67", "+74951234567"),
        (identifiers.phone, "+7 701 234 56 78", "+77012345678"),
        (identifiers.email, " Info@Romashka.RU ", "info@romashka.ru"),
    ],
)
def test_an_identifier_has_one_form(check, text, form):
    assert check(text) == form
    assert check(form) == form


@pytest.mark.parametrize(
    ("check", "text", "code"),
    [
        (identifiers.inn, "7707083894", "inn-checksum"),
        (identifiers.inn, "77070838", "inn-format"),
        (identifiers.inn, "٧٧٠٧٠٨٣٨٩٣", "inn-format"),
        (identifiers.ogrn, "1027700132196", "ogrn-checksum"),
        (identifiers.ogrn, "10277001", "ogrn-format"),
        (identifiers.kpp, "77360100", "kpp-format"),
        (identifiers.kpp, "7736АБ001", "kpp-format"),  # Cyrillic
        (identifiers.phone, "12", "phone-format"),
        (identifiers.phone, "+7 495 123-45-67 доб. 5", "phone-format"),
        (identifiers.email, "nobody", "email-format"),
    ],
)
def test_a_wrong_identifier_says_what_is_wrong(check, text, code):
    with pytest.raises(IdentifierError) as raised:
        check(text)
    assert raised.value.code == code


@given(st.text(max_size=40))
def test_no_text_breaks_a_check(text):
    for check in (identifiers.inn, identifiers.ogrn, identifiers.kpp, identifiers.phone, identifiers.email):
        try:
            assert check(check(text)) == check(text)
        except IdentifierError:
            continue


@given(st.text(max_size=40))
def test_search_tries_the_text_itself_at_least(text):
    assert text.strip() in identifiers.search_forms(text)
