"""The short cuts that make a bulk load fast give what the whole pipeline gives, for any input."""

from __future__ import annotations

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stdnum.ru import inn as inn_rules
from stdnum.ru import ogrn as ogrn_rules

from app import cleansing, identifiers
from app.seeding import customers, names

NAMES = (
    st.text(max_size=40)
    | st.text(alphabet=' "«»()-,ёЁАяz9\u00a0\u0301\u200b', max_size=30)
    | st.from_regex(cleansing._PLAIN, fullmatch=True)
)
PHONES = st.text(alphabet="+78 ()-.0123456789", max_size=20) | st.from_regex(
    r"(\+7|8|7)?[ -]?\(?[3-9][0-9]{2}\)?[ -]?[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{2}", fullmatch=True
)
EMAILS = st.emails() | st.from_regex(
    r"[A-Za-z0-9._-]{1,70}@[a-zA-Z0-9.-]{1,20}\.[a-zA-Z]{1,5}", fullmatch=True
)


@given(NAMES)
@example('ООО "Ромашка"')
@example("a\u0301 b")
@example("ООО «Ромашка»")
@example("ООО »Ромашка”")
def test_a_plain_name_is_what_the_steps_make_of_it(text):
    assert cleansing.name(text) == cleansing.run(cleansing.NAME_STEPS, text)


def phone_by_the_library(text):
    try:
        number = phonenumbers.parse(text, identifiers.HOME_REGION)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@given(PHONES)
@example("8 (495) 123-45-67")
@example("8001234567")
@example("7916 1234567")
def test_a_phone_is_what_the_library_makes_of_it(text):
    assert found(identifiers.phone, text) == phone_by_the_library(text)


def test_a_phone_is_what_the_library_makes_of_it_in_every_code():
    """All thousand codes, with numbers all over each: ten thousand that are written as people do."""
    for code in range(1000):
        for start in range(3, 1000, 100):
            number = f"{code:03}{start:03}{code * 37 % 10_000:04}"
            written = f"8 ({number[:3]}) {number[3:6]}-{number[6:8]}-{number[8:]}"
            assert found(identifiers.phone, written) == phone_by_the_library(written), written


@given(EMAILS)
@example("Info@Romashka.RU")
@example("a@localhost")
@example("x" * 64 + "@b.ru")
@example("x@" + "b" * 63 + ".ru")
def test_an_email_is_what_the_library_makes_of_it(text):
    try:
        expected = validate_email(text.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        expected = None
    assert found(identifiers.email, text) == expected


NUMBERS = (
    st.from_regex(r"[0-9]{9,16}", fullmatch=True)
    | st.text(alphabet="0123456789 -.\u0663", min_size=9, max_size=16)
    | st.builds(customers.company_inn, st.sampled_from(names.REGION_CODES), st.integers(0, 10**7))
    | st.builds(customers.person_inn, st.sampled_from(names.REGION_CODES), st.integers(0, 10**7))
    | st.builds(customers.company_ogrn, st.sampled_from(names.REGION_CODES), st.integers(0, 10**8))
)


@settings(max_examples=2000)
@given(NUMBERS, st.sampled_from([(identifiers.inn, inn_rules), (identifiers.ogrn, ogrn_rules)]))
@example("7707083893", (identifiers.inn, inn_rules))
@example("500100732259", (identifiers.inn, inn_rules))
@example("500100732258", (identifiers.inn, inn_rules))
@example("0027700132198", (identifiers.ogrn, ogrn_rules))
@example("304500116000157", (identifiers.ogrn, ogrn_rules))
def test_a_number_with_a_check_digit_is_what_the_library_makes_of_it(text, pair):
    check, rules = pair
    assert found(check, text) == number_by_the_library(rules, text)


def number_by_the_library(rules, text):
    digits = re.sub(r"[\s\-.]+", "", text)
    return digits if digits.isascii() and rules.is_valid(digits) else None


def found(check, text):
    try:
        return check(text)
    except identifiers.IdentifierError:
        return None
