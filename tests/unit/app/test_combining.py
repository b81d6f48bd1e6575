"""Merging two cards and taking them apart, as a pure matter: for any two cards."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.customers.combining import Standing, combine, separate
from app.customers.likeness import OFFERED_FROM, compare
from app.customers.schemas import Contact, ContactKind, Customer, CustomerKind, Stage
from app.errors import ProblemError
from app.identity import new_id, now

NUMBERS = (("7707083893", "773601001", "1027700132195"), ("7728168971", None, None), (None, None, None))
CONTACTS = [Contact(ContactKind.EMAIL, f"{name}@example.org", None) for name in "abcd"]


@st.composite
def cards(draw):
    inn, kpp, ogrn = draw(st.sampled_from(NUMBERS))
    return Customer(
        id=new_id(),
        kind=CustomerKind.COMPANY,
        stage=draw(st.sampled_from(Stage)),
        name=draw(st.sampled_from(["ООО Ромашка", "Рамашка", "Василёк"])),
        inn=inn,
        kpp=kpp,
        ogrn=ogrn,
        snils=None,
        address=draw(st.sampled_from([None, "г Москва", "г Тула"])),
        external_id=draw(st.sampled_from([None, "e-1"])),
        contacts=tuple(draw(st.lists(st.sampled_from(CONTACTS), unique=True))),
        given={},
        version=1,
        created_at=now(),
        updated_at=now(),
    )


def same(one, other):
    return replace(one, version=0, updated_at=other.updated_at) == replace(other, version=0)


@given(cards(), cards())
def test_a_merge_taken_apart_leaves_both_cards_as_they_were(source, target):
    both = combine(source, target, [], now())
    standing = Standing(both.taken, both.contacts, [])
    apart = separate(both.source, both.target, standing, now())
    assert same(apart.source, source)
    assert same(apart.target, target)


@given(cards(), cards())
def test_one_card_has_everything_that_either_had(source, target):
    both = combine(source, target, [], now())
    assert set(both.target.contacts) == {*source.contacts, *target.contacts}
    assert len(both.target.contacts) == len(set(both.target.contacts))
    for name in ("inn", "address", "external_id"):
        assert getattr(both.target, name) == (getattr(target, name) or getattr(source, name))
    assert both.source.merged_into == target.id
    if target.inn is None:
        assert both.source.inn is None, "requisites are one card's only at any time"


@given(cards())
def test_a_company_is_not_merged_with_a_person(card):
    with pytest.raises(ProblemError):
        combine(card, replace(card, id=new_id(), kind=CustomerKind.PERSON), [], now())


@given(cards(), cards())
def test_likeness_is_the_same_from_both_sides_and_highest_for_a_card_itself(one, other):
    assert compare(one, other).score == compare(other, one).score <= 1
    assert compare(one, replace(one, id=new_id())).score >= compare(one, other).score


@given(cards())
def test_the_same_name_is_enough_for_a_company_and_not_for_a_person(card):
    bare = replace(card, contacts=(), address=None, inn=None, kpp=None, ogrn=None)
    assert compare(bare, replace(bare, id=new_id())).score >= OFFERED_FROM
    person = replace(bare, kind=CustomerKind.PERSON)
    assert compare(person, replace(person, id=new_id())).score < OFFERED_FROM
