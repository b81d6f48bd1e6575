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
        (identifiers.snils, "112-233-445 95", "11223344595"),
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
        (identifiers.snils, "112-233-445 96", "snils-checksum"),
        (identifiers.snils, "112-233-445", "snils-format"),
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


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("7707083894", "7707083893"),  # a wrong digit
        ("7707038893", "7707083893"),  # two digits exchanged
        ("1027700132159", "1027700132195"),
        ("112-233-454 95", "11223344595"),
        ("8 (916) 132-45-67", "+79161234567"),
    ],
)
def test_a_number_with_one_wrong_digit_is_among_the_near_ones(typed, meant):
    assert meant in identifiers.near_forms(typed)


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_near_numbers_are_few_and_never_the_one_typed(number):
    typed = f"{number:012}"
    near = identifiers.near_forms(typed)
    assert typed not in near
    assert len(near) <= 12 * 9 + 11


@pytest.mark.parametrize("text", ["", "Ромашка", "12345", "1" * 16, "77-А"])
def test_what_is_no_number_has_no_near_ones(text):
    assert identifiers.near_forms(text) == ()


def _passes(number):
    return any(_accepts(check, number) for check in (identifiers.inn, identifiers.ogrn, identifiers.snils))


def _accepts(check, text):
    try:
        return bool(check(text))
    except IdentifierError:
        return False


@given(st.from_regex(r"[1-9][0-9]{9,14}", fullmatch=True))
def test_near_numbers_with_check_digits_are_those_that_the_checks_accept(typed):
    places = range(len(typed))
    wrong = {typed[:n] + digit + typed[n + 1 :] for n in places for digit in "0123456789"}
    exchanged = {typed[:n] + typed[n + 1] + typed[n] + typed[n + 2 :] for n in places[:-1]}
    expected = {number for number in wrong | exchanged if number != typed and _passes(number)}
    assert {near for near in identifiers.near_forms(typed) if not near.startswith("+")} == expected


def test_a_sole_trader_whose_remainder_has_two_digits_is_known_by_its_last():
    assert 30450011600005 % 13 == 10
    assert identifiers.ogrn("304500116000050") == "304500116000050"
