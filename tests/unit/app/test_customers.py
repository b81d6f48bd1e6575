from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.customers.cleanse import cleanse
from app.customers.schemas import CustomerChange, CustomerForm
from app.customers.service import _card, apply, matches
from app.errors import ProblemError
from app.identity import new_id, now

COMPANY = {"kind": "company", "name": "ООО «Ромашка»", "inn": "7707083893", "kpp": "773601001"}


def card(**changes):
    moment = now()
    details = cleanse(CustomerForm.model_validate({**COMPANY, **changes}))
    return _card(new_id(), details, version=1, created_at=moment, updated_at=moment)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "person"}, "/inn"),
        ({"inn": "500100732259"}, "/kpp"),
        ({"inn": None, "kpp": None, "ogrn": "1027700132195"}, "/ogrn"),
        ({"inn": None}, "/kpp"),
    ],
)
def test_fields_that_do_not_go_together_are_named(changes, pointer):
    with pytest.raises(ProblemError) as raised:
        cleanse(CustomerForm.model_validate({**COMPANY, **changes}))
    assert pointer in [error.pointer for error in raised.value.errors]


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\x00" not in text))
def test_what_was_changed_by_cleansing_is_kept_as_given(name):
    try:
        details = cleanse(CustomerForm.model_validate({"kind": "person", "name": name}))
    except ProblemError:
        return
    assert details.given.get("name", details.name) == name


def test_a_change_touches_what_was_sent_and_no_more():
    before = card(contacts=[{"kind": "phone", "value": "8 495 123-45-67"}])
    after = apply(before, CustomerChange.model_validate({"name": "Новое  имя", "kpp": None}))
    assert (after.name, after.kpp, after.inn, after.version) == ("Новое имя", None, before.inn, 2)
    assert after.contacts == before.contacts
    assert after.given == {"name": "Новое  имя", "contacts/0/value": "8 495 123-45-67"}
    assert after.created_at == before.created_at


@pytest.mark.parametrize(
    ("expected", "fits"),
    [('"1"', True), ("*", True), ('"2"', False), ('"3", "1"', True), ('W/"1"', False), ("1", False)],
)
def test_if_match_compares_strong_tags(expected, fits):
    assert matches(expected, 1) is fits
