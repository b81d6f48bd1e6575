"""Card numbers and the keys under which they are kept."""

from __future__ import annotations

import base64
import os
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from app.cards.keys import CardKeys, CardSealError, Sealed
from app.cards.numbers import CardNumber, new_token, without_numbers

pytestmark = pytest.mark.safety

NUMBER = CardNumber.parse("4111 1111-1111 1111")


def key(version):
    return f"{version}:{base64.b64encode(os.urandom(32)).decode()}"


def test_a_number_is_checked_by_its_last_digit():
    assert (NUMBER.digits, NUMBER.bin, NUMBER.last_four) == ("4111111111111111", "411111", "1111")
    for wrong in ("4111111111111112", "41111111111", "4" * 20, "４111111111111111", "", "abc"):
        with pytest.raises(ValueError, match="expected a card number") as caught:
            CardNumber.parse(wrong)
        assert not wrong or wrong not in str(caught.value)


def test_a_number_is_in_no_repr():
    assert "1111" not in repr(NUMBER)
    assert "1111" not in f"{[NUMBER]}"


@given(st.integers(10**10, 10**18 - 1).map(str))
def test_every_number_is_masked_wherever_it_stands(digits):
    number = digits + luhn.calc_check_digit(digits)
    text = without_numbers(f"GET /api/v1/cards/{number}: no such card '{number[:4]} {number[4:]}'")
    assert number not in text.replace(" ", "")
    assert number[-4:] in text


@pytest.mark.parametrize("text", ["", "request 4711", "a" * 40, "0/5000148", "tok_9f2c41d07a", "4" * 25])
def test_what_is_no_number_is_left_alone(text):
    assert without_numbers(text) == text


def test_a_sealed_number_opens_for_its_card_under_its_key_only():
    keys, card = CardKeys.parse(key(1)), uuid4()
    sealed = keys.seal(NUMBER, card)
    assert keys.open(sealed, card) == NUMBER
    assert keys.seal(NUMBER, card).content != sealed.content
    assert b"1111" not in sealed.content
    broken = bytes([sealed.content[-1] ^ 1])
    for other, of, what in (
        (CardKeys.parse(key(1)), card, sealed),
        (CardKeys.parse(key(2)), card, sealed),
        (keys, uuid4(), sealed),
        (keys, card, Sealed(sealed.content[:-1] + broken, 1)),
    ):
        with pytest.raises(CardSealError) as caught:
            other.open(what, of)
        assert "1111111" not in str(caught.value)


def test_two_versions_are_both_valid_and_the_first_seals():
    one, two = key(1), key(2)
    old, both = CardKeys.parse(one), CardKeys.parse(f"{two},{one}")
    card = uuid4()
    assert both.open(old.seal(NUMBER, card), card) == NUMBER
    assert both.seal(NUMBER, card).version == 2
    assert both.lookups(NUMBER)[1] == old.lookups(NUMBER)[1]
    assert both.lookups(NUMBER)[2] != both.lookups(NUMBER)[1]
    assert both.fingerprint(b"x") == old.fingerprint(b"x") == CardKeys.parse(f"{one},{two}").fingerprint(b"x")


def test_a_setting_that_is_wrong_does_not_show_the_key():
    good = key(1)
    for wrong in ("", "1", "x:AAAA", "0:" + good[2:], f"{good},{good}", good[:-6], "99999:" + good[2:]):
        with pytest.raises(ValueError, match="card_keys") as caught:
            CardKeys.parse(wrong)
        assert good[2:20] not in str(caught.value)


def test_tokens_are_random_and_no_numbers():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
