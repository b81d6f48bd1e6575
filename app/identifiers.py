"""Identifiers of customers: checked by their checksums, brought to one form. Pure.

Each function returns the one form or raises `IdentifierError`, whose code and text go into the 422.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.ru import inn as inn_rules
from stdnum.ru import ogrn as ogrn_rules

# Federal Tax Service order ММВ-7-6/435@: tax office (4), reason (2 digits or capital letters), number (3).
_KPP = re.compile(r"\d{4}[\dA-Z]{2}\d{3}")
_SEPARATORS = re.compile(r"[\s\-.]+")
_DIGITS = re.compile(r"[0-9]+")
HOME_REGION = "RU"
HOME_CODE = 7
HOME_DIGITS = 10  # without the code
NEAR_DIGITS = (10, 15)  # from a phone number to an ОГРНИП
# An ordinary number of the home region as people write it: the ten digits after 8, 7, +7 or nothing.
_HOME_PHONE = re.compile(r"(?:\+7|[78])?[ -]?\(?([0-9]{3})\)?[ -]?([0-9]{3})[ -]?([0-9]{2})[ -]?([0-9]{2})")
# What needs no second look in an e-mail's local part.
_PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
MAX_LOCAL_PART, MAX_EMAIL = 64, 254  # RFC 5321, 4.5.3.1
COMPANY_INN_LENGTH, PERSON_INN_LENGTH = 10, 12
# An OGRN's first digits and the divisor whose remainder's last digit is the check digit, by length: of a
# company, of a sole trader (Ministry of Finance, order 165н of 2017).
_OGRN_RULES = {13: ("123456789", 11), 15: ("34", 13)}
# Of the check digits of an INN, by length (Federal Tax Service, order of 29 June 2012).
_INN_WEIGHTS: dict[int, tuple[tuple[int, ...], ...]] = {
    COMPANY_INN_LENGTH: ((2, 4, 10, 3, 5, 9, 4, 6, 8),),
    PERSON_INN_LENGTH: ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)),
}
_ZERO = ord("0")
# With what the codes of as many zeros would sum up to, so that codes need not be made digits first.
_INN_RULES = {
    length: tuple((weights, _ZERO * sum(weights)) for weights in rules)
    for length, rules in _INN_WEIGHTS.items()
}
SNILS_DIGITS = 11


@dataclass(frozen=True)
class IdentifierError(ValueError):
    code: str
    detail: str


def inn(text: str) -> str:
    """Ten digits of a company or twelve of a person or sole trader."""
    return text if _is_plain_inn(text) else _checked("inn", inn_rules, text, "10 or 12 digits")


def ogrn(text: str) -> str:
    """Thirteen digits (ОГРН) or fifteen (ОГРНИП)."""
    return text if _is_plain_ogrn(text) else _checked("ogrn", ogrn_rules, text, "13 or 15 digits")


def _is_plain_inn(text: str) -> bool:
    """Nothing but digits, and right: what the library would say, at a tenth of its cost in a bulk load."""
    rules = _INN_RULES.get(len(text))
    if rules is None or not (text.isascii() and text.isdigit()):
        return False
    codes = text.encode()
    for weights, zeros in rules:
        if (sum(map(mul, weights, codes)) - zeros) % 11 % 10 != codes[len(weights)] - _ZERO:
            return False
    return True


def _is_plain_ogrn(text: str) -> bool:
    """As of an INN. The library refuses each sole trader whose remainder has two digits."""
    first, modulus = _OGRN_RULES.get(len(text), ("", 1))
    if not (text.isascii() and text.isdigit() and text[0] in first):
        return False
    return int(text[:-1]) % modulus % 10 == int(text[-1])


def _is_plain_snils(text: str) -> bool:
    """Eleven digits whose own check digits follow from 001-001-998 on (Pension Fund, order 318п)."""
    if len(text) != SNILS_DIGITS or not (text.isascii() and text.isdigit()):
        return False
    digits = [code - ord("0") for code in text.encode()]
    total: int = sum(map(mul, range(9, 0, -1), digits))
    return total % 101 % 100 == digits[9] * 10 + digits[10]


def _checked(label: str, rules: object, text: str, expected: str) -> str:
    digits = _SEPARATORS.sub("", text)
    if not _DIGITS.fullmatch(digits):
        raise IdentifierError(f"{label}-format", f"expected {expected}")
    try:
        return str(rules.validate(digits))  # type: ignore[attr-defined]
    except InvalidChecksum as error:
        raise IdentifierError(f"{label}-checksum", "the check digit does not match") from error
    except ValidationError as error:
        raise IdentifierError(f"{label}-format", f"expected {expected}") from error


def kpp(text: str) -> str:
    compact = _SEPARATORS.sub("", text).upper()
    if not compact.isascii() or not _KPP.fullmatch(compact):
        raise IdentifierError("kpp-format", "expected 9 characters: 4 digits, 2 digits or capitals, 3 digits")
    return compact


def snils(text: str) -> str:
    """Eleven digits."""
    digits = _SEPARATORS.sub("", text)
    if not _DIGITS.fullmatch(digits) or len(digits) != SNILS_DIGITS:
        raise IdentifierError("snils-format", "expected 11 digits")
    if not _is_plain_snils(digits):
        raise IdentifierError("snils-checksum", "the check digits do not match")
    return digits


def phone(text: str) -> str:
    """E.164. A number without a country is taken as Russian, with 8 as the trunk prefix."""
    ordinary = _HOME_PHONE.fullmatch(text)
    if ordinary is not None and _home_numbers().fullmatch(national := "".join(ordinary.groups())):
        return f"+{HOME_CODE}{national}"
    try:
        number = phonenumbers.parse(text, HOME_REGION)
    except phonenumbers.NumberParseException as error:
        raise IdentifierError("phone-format", "not a phone number") from error
    if number.extension or not phonenumbers.is_valid_number(number):
        raise IdentifierError("phone-format", "no such phone number; extensions belong into `person`")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@lru_cache(maxsize=1)
def _home_numbers() -> re.Pattern[str]:
    """Fixed and mobile numbers of the home region, by the library's own metadata."""
    region = phonenumbers.PhoneMetadata.metadata_for_region(HOME_REGION)
    assert region is not None
    kinds = (region.fixed_line, region.mobile)
    return re.compile("|".join(f"(?:{kind.national_number_pattern})" for kind in kinds if kind is not None))


def email(text: str) -> str:
    """Lower case, ASCII domain. Whether it can receive mail is not asked."""
    entered = text.strip()
    local, _, domain = entered.rpartition("@")
    short = len(local) <= MAX_LOCAL_PART and len(entered) <= MAX_EMAIL
    if short and domain.isascii() and _PLAIN_LOCAL_PART.fullmatch(local):
        return f"{local.lower()}@{_email_domain(domain)}"
    return _checked_email(entered)


@lru_cache(maxsize=10_000)
def _email_domain(domain: str) -> str:
    return _checked_email(f"x@{domain}").removeprefix("x@")


def _checked_email(text: str) -> str:
    try:
        checked = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise IdentifierError("email-format", "not an e-mail address") from error
    return checked.normalized.lower()


def document_number(text: str) -> str:
    """A contract's or a deal's number as it is looked for: capitals, without spaces."""
    return re.sub(r"\s", "", text).upper()


def search_forms(text: str) -> tuple[str, ...]:
    """Every exact key that what was typed into the search box could mean."""
    forms = {text.strip(), document_number(text)}
    for check in (inn, ogrn, snils, phone, email):
        try:
            forms.add(check(text))
        except IdentifierError:
            continue
    return tuple(sorted(forms))


def near_forms(text: str) -> tuple[str, ...]:
    """The numbers that differ from what was typed by one digit, or by two neighbours that changed places.

    Where the number has a check digit only those that pass; there are about ten of an INN, a hundred of a
    phone number. Empty for what is no number.
    """
    digits = re.sub(r"[\s\-.()+]", "", text)
    if not _DIGITS.fullmatch(digits) or not NEAR_DIGITS[0] <= len(digits) <= NEAR_DIGITS[1]:
        return ()
    forms = {form for near in _neighbours(digits) for form in _forms_of_number(near)}
    return tuple(sorted(forms))


def _neighbours(digits: str) -> Iterator[str]:
    for place, digit in enumerate(digits):
        head, tail = digits[:place], digits[place + 1 :]
        yield from (head + other + tail for other in "0123456789" if other != digit)
        if tail and tail[0] != digit:
            yield head + tail[0] + digit + tail[1:]


def _forms_of_number(digits: str) -> Iterator[str]:
    if _is_plain_inn(digits) or _is_plain_ogrn(digits) or _is_plain_snils(digits):
        yield digits
    national = digits if len(digits) == HOME_DIGITS else digits[1:] if digits[0] in "78" else ""
    if len(national) == HOME_DIGITS and _home_numbers().fullmatch(national):
        yield f"+{HOME_CODE}{national}"
