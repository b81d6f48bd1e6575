"""Whatever is done to a chain afterwards is found, and found at its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit.chain import GENESIS, Fault, canonical, link, verify
from app.audit.model import Entry, Head, Kind, Sealed
from app.audit.verification import head_line, read_heads

pytestmark = pytest.mark.safety

BASE = Entry(
    id=UUID(int=1),
    site="dc1",
    at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    kind=Kind.WRITE,
    principal="petrova",
    unit="north",
    region=None,
    partner=None,
    operation="POST /api/v1/customers",
    status=201,
    subjects=("customers/1",),
    trace="crm 1",
    client="10.77.9.10",
    fingerprint=b"\x01\x02",
)


def sealed_after(before, position, entry):
    unsealed = Sealed(position, b"", entry)
    return replace(unsealed, hash=link(before, canonical(unsealed)))


def chain(length, site="dc1"):
    found, before = [], GENESIS
    for position in range(1, length + 1):
        entry = replace(BASE, id=UUID(int=position), site=site, principal=f"p{position}")
        found.append(sealed_after(before, position, entry))
        before = found[-1].hash
    return found


def broken(entries, published=()):
    return [(each.position, each.fault) for each in verify(entries, published)]


def test_a_sound_chain_has_no_break():
    heads = {}
    both = chain(5) + chain(3, "dc2")
    assert list(verify(both, [both[2].head, both[-1].head], heads)) == []
    assert heads == {"dc1": both[4].head, "dc2": both[-1].head}


@pytest.mark.parametrize(
    "change",
    [
        {"principal": "somebody else"},
        {"status": 403},
        {"subjects": ()},
        {"subjects": ("customers/", "1")},
        {"at": datetime(2026, 1, 2, 3, 4, 5, 678902, UTC)},
        {"unit": None},
        {"fingerprint": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_entry_is_found(change):
    entries = chain(5)
    entries[2] = replace(entries[2], entry=replace(entries[2].entry, **change))
    assert broken(entries) == [(3, Fault.CHANGED)]


def test_a_removed_entry_is_found():
    entries = chain(5)
    del entries[2]
    assert broken(entries) == [(4, Fault.MISSING)]


def test_a_removed_beginning_is_found():
    assert broken(chain(5)[2:]) == [(3, Fault.MISSING)]


def test_a_removed_entry_is_found_where_the_rest_was_renumbered():
    entries = chain(5)
    del entries[2]
    moved = [*entries[:2], *(replace(each, position=each.position - 1) for each in entries[2:])]
    assert broken(moved) == [(3, Fault.CHANGED), (4, Fault.CHANGED)]


def test_exchanged_entries_are_found():
    entries = chain(5)
    first, second = entries[1], entries[2]
    entries[1:3] = replace(second, position=2), replace(first, position=3)
    assert broken(entries) == [(2, Fault.CHANGED), (3, Fault.CHANGED), (4, Fault.CHANGED)]


def test_a_cut_off_end_is_found_by_a_published_head_and_by_nothing_else():
    entries = chain(5)
    assert broken(entries[:3]) == []
    assert broken(entries[:3], [entries[4].head]) == [(5, Fault.TRUNCATED)]
    assert broken([], [entries[4].head]) == [(5, Fault.TRUNCATED)]


def test_a_chain_written_anew_is_found_by_a_published_head():
    entries = chain(5)
    forged = [entries[0]]
    for position in range(2, 6):
        entry = replace(entries[position - 1].entry, principal="nobody")
        forged.append(sealed_after(forged[-1].hash, position, entry))
    assert broken(forged) == []
    assert broken(forged, [entries[3].head]) == [(4, Fault.REWRITTEN)]


def test_an_entry_of_another_site_does_not_fit():
    entries = [replace(each, entry=replace(each.entry, site="dc2")) for each in chain(1)]
    assert broken(entries) == [(1, Fault.CHANGED)]


texts = st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8))


@given(st.lists(st.tuples(texts, texts, st.lists(texts.filter(bool), max_size=3)), min_size=2, max_size=2))
def test_different_entries_have_different_bytes(pair):
    def made(unit, region, subjects):
        return Sealed(1, b"", replace(BASE, unit=unit, region=region, subjects=tuple(subjects)))

    one, other = (made(*each) for each in pair)
    assert (canonical(one) == canonical(other)) == (one == other)


def test_heads_are_read_as_they_were_published():
    heads = (Head("dc1", 5, b"\x01" * 32), Head("dc2", 7, b"\x02" * 32))
    assert read_heads(map(head_line, heads)) == heads
    with pytest.raises(ValueError, match="line 1"):
        read_heads(["{}"])
