"""Passing from one entry to the next, and back."""

import random

import pytest

from loadtests.entries import RETURN_AFTER_S, Entries, Entry

DC1, DC2 = Entry("dc1", "https://10.77.1.10"), Entry("dc2", "https://10.77.2.10")
LONG = 2 * RETURN_AFTER_S


@pytest.fixture
def entries():
    return Entries([DC1, DC2], random.Random(1))  # noqa: S311


def test_the_preferred_one_comes_first(entries):
    assert entries.current == DC1
    assert not entries.may_return(LONG)


def test_a_failure_passes_on_and_around(entries):
    entries.failed(DC1, 0)
    assert entries.current == DC2
    entries.failed(DC2, 0)
    assert entries.current == DC1


def test_many_who_share_a_list_pass_on_once(entries):
    for _ in range(5):
        entries.failed(DC1, 0)
    assert entries.current == DC2


def test_going_back_takes_a_while_and_a_look(entries):
    entries.failed(DC1, 0)
    assert not entries.may_return(1)
    assert entries.may_return(LONG)
    entries.still_failing(LONG)
    assert not entries.may_return(LONG + 1)
    entries.returned()
    assert entries.current == DC1


def test_one_entry_alone_is_its_own_next():
    alone = Entries([DC1], random.Random(1))  # noqa: S311
    alone.failed(DC1, 0)
    assert alone.current == DC1


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Entries([], random.Random(1))  # noqa: S311


@pytest.mark.parametrize("text", ["", "dc1", "dc1=", "=https://x", "dc1=ftp://x"])
def test_a_malformed_entry_is_refused(text):
    with pytest.raises(ValueError, match="NAME=URL"):
        Entry.parse(text)


def test_an_entry_is_parsed():
    assert Entry.parse("dc1=https://10.77.1.10/") == DC1
