"""Places of streams, and where a chat goes on."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.access.principal import TRUSTED, Principal
from app.chats.repository import later_than
from app.errors import Problem, ProblemError
from app.streams import Places

ANNA, BORIS, VERA = Principal("anna"), Principal("boris"), Principal("vera")


def test_places_are_bounded_for_one_and_for_all_and_given_back():
    places = Places(3, 2)
    leave, _ = places.take(ANNA), places.take(ANNA)
    with pytest.raises(ProblemError) as refused:
        places.take(ANNA)
    assert refused.value.problem is Problem.TOO_MANY_REQUESTS
    places.take(BORIS)
    with pytest.raises(ProblemError) as refused:
        places.take(VERA)
    assert refused.value.problem is Problem.OVERLOADED
    leave()
    places.take(VERA)


def test_who_stands_for_everybody_on_a_trusted_network_is_bounded_by_the_whole_only():
    places = Places(3, 1)
    for _ in range(3):
        places.take(TRUSTED.principal)
    with pytest.raises(ProblemError):
        places.take(TRUSTED.principal)


def test_an_id_of_a_slower_clock_becomes_the_next_one():
    last, slower, faster = UUID(int=20), UUID(int=7), UUID(int=30)
    assert later_than(None, slower) == slower
    assert later_than(last, faster) == faster
    assert later_than(last, slower) == later_than(last, last) == UUID(int=21)
