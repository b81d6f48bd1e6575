"""Views survive the way through ZooKeeper, and count from when their reader saw them change."""

from dataclasses import replace

import pytest

from failover.proof.scenery import Scene, picture
from failover.views import SightingBook, ViewError, decode, encode


def views():
    return tuple(sighting.view for sighting in picture(Scene()).sightings)


def test_a_view_is_read_as_it_was_written() -> None:
    for view in views():
        assert decode(encode(view)) == view


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"version": 2}', b'{"version": 1, "observer": "a"}', b"[1]", b"\xff"]
)
def test_what_is_no_view_of_this_version_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ViewError, match="view"):
        decode(data)


def test_a_view_ages_until_its_sequence_changes() -> None:
    book = SightingBook()
    one = views()[0]

    assert book.update((one,), 1_000_000_000)[0].age_ms(1_000_000_000) == 0
    assert book.update((one,), 2_000_000_000)[0].age_ms(2_000_000_000) == 1000
    assert book.update((one,), 3_000_000_000)[0].age_ms(3_000_000_000) == 2000
    assert book.update((replace(one, sequence=2),), 4_000_000_000)[0].age_ms(4_000_000_000) == 0
    assert book.update((replace(one, incarnation="two"),), 5_000_000_000)[0].age_ms(5_000_000_000) == 0
    assert book.update((), 6_000_000_000) == ()


def test_what_changed_while_the_reader_was_blind_is_as_old_as_its_last_look() -> None:
    book = SightingBook()
    dead, alive = views()[:2]
    book.update((dead, alive), 1_000_000_000)

    last_words = replace(dead, sequence=2)
    seen = book.update((last_words, replace(alive, sequence=2)), 4_000_000_000)
    assert [sighting.age_ms(4_000_000_000) for sighting in seen] == [3000, 3000]

    seen = book.update((last_words, replace(alive, sequence=3)), 4_200_000_000)
    assert [sighting.age_ms(4_200_000_000) for sighting in seen] == [3200, 0]
