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
    assert book.update((one,), 3_000_000_000)[0].age_ms(3_000_000_000) == 2000
    assert book.update((replace(one, sequence=2),), 4_000_000_000)[0].age_ms(4_000_000_000) == 0
    assert book.update((replace(one, incarnation="two"),), 5_000_000_000)[0].age_ms(5_000_000_000) == 0
    assert book.update((), 6_000_000_000) == ()
