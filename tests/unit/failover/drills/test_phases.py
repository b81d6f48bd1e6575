"""Where the time went: from samples of the leader key, the nodes and the entries."""

from failover.drills.model import Event, EventType
from failover.drills.moments import Mark, Moments
from failover.drills.phases import durations, instants
from failover.drills.verdict import Phases

NAMES = {"10.77.1.21": "dc1-db1", "10.77.2.21": "dc2-db1"}
MOMENTS = Moments({Mark.FAULT: 0, Mark.EFFECT: 100_000_000}, "dc1-db1")


def ns(seconds):
    return int(seconds * 1e9)


def observed(function, at, **more):
    return Event(t_ns=ns(at), type=EventType.OBSERVE, proc="observer", function=function, **more)


FAILOVER = [
    observed("leader", -1, node="dc1-db1"),
    observed("writer", -1, node="dc1-db1", status=1),
    observed("entry", 0.5, route="dc2", state="reads"),
    observed("leader", 5, node="dc1-db1"),
    observed("leader", 20.0, node=None),
    observed("leader", 20.1, node="dc2-db1"),
    observed("writer", 20.5, node="dc2-db1", status=1),
    observed("entry", 21.0, route="dc2", state="writes", node="10.77.2.21"),
]


def phases(events, rto=21.3, moments=MOMENTS):
    return durations(instants(events, moments, rto, NAMES), moments)


def test_each_phase_has_its_length():
    assert phases(FAILOVER) == Phases(detect=20.0, release=0.0, promote=0.5, route=0.5, first_write=0.3)


def test_an_orchestrators_detection_counts_as_such():
    found = phases([*FAILOVER, observed("detection", 0.8)])
    assert (found.detect, found.release) == (0.8, 19.2)


def test_a_sampler_that_sees_late_does_not_lengthen_the_whole():
    found = phases(FAILOVER, rto=20.7)
    assert (found.promote, found.route, found.first_write) == (0.5, 0.2, 0.0)


def test_an_unreadable_leader_key_is_no_release():
    blind = [event for event in FAILOVER if event.function != "leader"]
    found = phases([*blind, observed("leader", 1, err="timeout")])
    assert found.release is None
    assert found.promote == 20.5


def test_without_a_new_primary_there_is_only_the_first_write():
    same = [observed("leader", 1, node="dc1-db1"), observed("writer", 1, node="dc1-db1", status=1)]
    assert phases(same, rto=0.4) == Phases(first_write=0.4)


def test_a_later_return_of_the_primary_is_not_the_faults():
    back = [observed("leader", 1, node="dc1-db1"), observed("writer", 90, node="dc2-db1", status=1)]
    assert phases(back, rto=0.4) == Phases(first_write=0.4)


def test_never_back_shows_how_far_it_came():
    found = phases(FAILOVER[:6], rto=None)
    assert found.promote is None
    found = phases(FAILOVER[:7], rto=None)
    assert (found.detect, found.promote, found.first_write) == (20.0, 0.5, None)


def test_without_a_fault_there_are_no_phases():
    assert phases(FAILOVER, moments=Moments({}, None)) == Phases()
