"""What would be lost: counted against samples of a primary that may be gone by now."""

import pytest

from failover.exposure import KEPT, NONE, Sample, Track, of_candidate, of_site
from failover.gauge import Published

pytestmark = pytest.mark.safety

SITES = {"dc1-db1": "dc1", "dc1-db2": "dc1", "dc2-db1": "dc2", "dc2-db2": "dc2"}


def sample(second: int, timeline: int = 1) -> Sample:
    """Ten writes and a thousand bytes a second."""
    return Sample(float(second), timeline, second * 1000, second * 10)


def track(seconds: range, copies=None, *, guaranteed=False, begun: Track | None = None) -> Track:
    found = begun or Track()
    for second in seconds:
        found = found.after("dc1-db1", sample(second), copies or {}, guaranteed=guaranteed)
    return found


def test_a_guaranteed_copy_loses_nothing_however_far_it_lags():
    held = track(range(1, 20), {"dc2-db1": 1000}, guaranteed=True)

    assert of_site(held, "dc1", SITES).records == 0
    assert held.exposed_from is None


def test_the_loss_grows_from_where_the_best_remote_copy_stood():
    before = track(range(1, 10), {"dc2-db1": 9000, "dc2-db2": 8000, "dc1-db2": 9000}, guaranteed=True)
    held = track(range(10, 20), {"dc1-db2": 19000}, begun=before)

    lost = of_site(held, "dc1", SITES)
    assert (lost.records, lost.seconds, lost.size_bytes) == (100, 10.0, 10_000)
    assert held.exposed_from == sample(10)
    assert of_site(held, "dc2", SITES).records == 0
    assert "100 acknowledged writes (10,000 bytes) over 10.0 s" in lost.says()


def test_what_began_before_the_first_sample_is_not_known():
    lost = of_site(track(range(5, 9), {"dc2-db1": 100}), "dc1", SITES)

    assert not lost.known
    assert lost.size_bytes == 7900


def test_a_copy_nobody_ever_saw_makes_the_loss_unknown():
    assert not of_site(track(range(1, 5)), "dc1", SITES).known


def test_a_long_exposure_keeps_its_beginning_in_few_samples():
    before = track(range(1, 3), {"dc2-db1": 2000}, guaranteed=True)
    held = track(range(3, 5000), begun=before)

    assert len(held.samples) <= KEPT
    lost = of_site(held, "dc1", SITES)
    assert (lost.records, lost.seconds) == (49_970, 4997.0)


def test_samples_that_every_copy_has_are_dropped():
    held = Track()
    for second in range(1, 100):
        copies = {"dc2-db1": second * 1000, "dc1-db2": second * 1000}
        held = held.after("dc1-db1", sample(second), copies, guaranteed=True)
    assert held.samples == (sample(99),)


def test_another_timeline_begins_anew():
    held = track(range(1, 10), {"dc2-db1": 3000})
    held = held.after("dc2-db1", sample(11, timeline=2), {}, guaranteed=False)

    assert held.samples == (sample(11, timeline=2),)
    assert not held.copies


def test_a_candidate_also_lacks_what_nobody_sampled():
    held = track(range(1, 10), {"dc2-db1": 6000})

    lost = of_candidate(held, "dc2-db1", 7000, synchronous=False)
    assert (lost.records, lost.seconds) == (20 + 10, 2.0 + 1.0)
    assert of_candidate(held, "dc2-db1", 7000, synchronous=True) == NONE
    assert not of_candidate(held, "dc2-db2", None, synchronous=False).known


def test_a_track_is_read_from_zookeeper_as_it_was_written():
    for held in (track(range(1, 10), {"dc2-db1": 6000}), track(range(1, 4), {"dc2-db1": 6}, guaranteed=True)):
        said = Published(12.0, "wit-zk1", 7, held)
        assert Published.from_bytes(said.to_bytes()) == said
