"""Views survive the way through ZooKeeper, and count from when their reader saw them change."""

from dataclasses import replace

import pytest

from failover.panel import Picture, everyone_counts
from failover.proof.scenery import Scene, picture
from failover.telling import LOOKS_EVERY_MS, settle
from failover.views import Outcome, PoolView, SightingBook, Signal, ViewError, decode, encode


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


class Publishers:
    """Agents that publish once a second, and a reader of theirs whose look takes no time."""

    def __init__(self, dead: str = "") -> None:
        self.now_ms, self.dead, self.book = 0, dead, SightingBook()

    def look(self) -> Picture:
        said = tuple(
            view if view.observer == self.dead else replace(view, sequence=1 + self.now_ms // 1000)
            for view in views()
        )
        now_ns = self.now_ms * 1_000_000
        return replace(picture(Scene()), now_ns=now_ns, sightings=self.book.update(said, now_ns))

    def sleep(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


def test_a_reader_that_was_busy_looks_until_it_has_heard_everybody_anew() -> None:
    agents = Publishers()
    agents.look()
    agents.sleep(3.8)  # an inspection on a busy machine (seen: no pool counted, and a switch was refused)

    assert not everyone_counts(agents.look())
    assert everyone_counts(settle(agents.look, agents.sleep, everyone_counts))
    assert agents.now_ms <= 3800 + 1000 + LOOKS_EVERY_MS


def test_who_says_nothing_is_not_waited_for_for_ever() -> None:
    agents = Publishers(dead=views()[0].observer)
    agents.look()
    agents.sleep(3.8)

    seen = settle(agents.look, agents.sleep, everyone_counts)

    assert not everyone_counts(seen)
    assert agents.now_ms <= 3800 + seen.thresholds.calm_ms + 2 * LOOKS_EVERY_MS


@pytest.mark.parametrize(
    ("outcome", "hurries"),
    [(Outcome.ANSWERS, False), (Outcome.REFUSED, False), (Outcome.MUTE, True), (Outcome.SILENT, True)],
)
def test_only_what_is_silent_makes_everybody_publish_faster(outcome: Outcome, hurries: bool) -> None:
    calm = views()[0]
    assert not calm.restless
    found = (replace(calm.databases[0], postgres=Signal(outcome)), *calm.databases[1:])
    assert replace(calm, databases=found).restless is hurries


def test_a_pool_that_is_held_makes_nobody_hurry() -> None:
    calm = views()[0]
    assert not replace(calm, pool=PoolView(reachable=True, paused=True, held_ms=10, operation="7")).restless
