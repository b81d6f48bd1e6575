"""What webhooks may not do, each seen to be found; and what they may, seen to be left alone."""

from dataclasses import replace

import pytest

from failover.drills.checker import Finding, Violation
from failover.drills.feed import FOLLOW
from failover.drills.model import Event, EventType, FinalState, NodeState, Operation, Outcome, ToldEvent
from failover.drills.moments import Mark, Moments
from failover.drills.webhooks import check_webhooks, webhooks

pytestmark = pytest.mark.safety

S = 10**9


def write(marker, *, at=0, entity="q1", function="request", outcome=Outcome.OK):
    return Operation(
        proc="operator-1", function=function, key=marker, marker=marker, entity=entity, invoked_ns=at * S,
        ended_ns=at * S + S // 2, outcome=outcome, attempts=(), node="10.77.1.21", timeline=1,
    )  # fmt: skip


def event(name, version, *markers, entity="request:q1", digest="d"):
    return ToldEvent(None, name, "request.taken", entity, version, markers, digest)


def arrival(second, told, *, taken=True, **more):
    fields = {"status": 204 if taken else 503, "state": "taken" if taken else "refused", "attempt": 1, **more}
    return Event(
        t_ns=second * S, type=EventType.OBSERVE, proc="receiver", function="delivery",
        idempotency_key=told.id, told=(told,), **fields,
    )  # fmt: skip


def page(second, *events, state=None):
    """The follower's look that is told these events."""
    told = tuple(replace(each, position=place) for place, each in enumerate(events, start=8))
    return Operation(
        proc="follower-1", function=FOLLOW, key=f"r1:follower-1:{second}", marker=None, entity=None,
        invoked_ns=second * S, ended_ns=second * S + 1, outcome=Outcome.OK, attempts=(), after=7,
        reached=7 + len(told), told=told, state=state,
    )  # fmt: skip


TAKEN, CLOSED = write("r1:op:1", function="take"), write("r1:op:2", at=2, function="close")
FIRST, SECOND = event("e1", 1, TAKEN.marker), event("e2", 2, CLOSED.marker)
WRITES = [TAKEN, CLOSED]
GOOD = [arrival(10, FIRST), arrival(11, SECOND)]
FEED = page(20, FIRST, SECOND)


def state(*markers):
    return FinalState((NodeState("dc2-db1", True, True, 2, dict.fromkeys(markers, 1), {}),))


def found(arrivals, operations=(*WRITES, FEED), *stored):
    everything = [*stored, *(marker for op in operations if op.acknowledged for marker in op.markers)]
    return [finding.violation for finding in check_webhooks(arrivals, operations, state(*everything), "r1")]


def test_what_is_delivered_once_in_order_is_well():
    assert found(GOOD) == []


def test_deliveries_are_taken_in_their_own_order_whatever_the_history_s():
    """Those of one moment as they were written down."""
    assert found(GOOD[::-1]) == []
    assert found([replace(arrival(10, SECOND), i=2), replace(arrival(10, FIRST), i=1)]) == []


def test_what_is_no_delivery_is_left_alone():
    sample = Event(t_ns=1, type=EventType.OBSERVE, proc="observer", function="writer", err="timed out")
    assert found([sample, *GOOD]) == []


@pytest.mark.parametrize("gone", [0, 1])
def test_an_acknowledged_write_that_is_not_delivered_is_found(gone):
    assert Violation.UNDELIVERED in found([each for place, each in enumerate(GOOD) if place != gone])


def test_what_was_refused_and_never_tried_again_is_not_delivered():
    assert found([GOOD[0], arrival(11, SECOND, taken=False)]) == [Violation.UNDELIVERED]


def test_what_was_refused_may_come_again():
    again = [arrival(10, FIRST, taken=False), arrival(16, FIRST, attempt=2), arrival(17, SECOND)]
    assert found(again) == []


def test_to_be_delivered_the_same_again_is_at_least_once():
    assert found([*GOOD, replace(GOOD[0], t_ns=30 * S, attempt=2)]) == []


def test_a_receiver_to_whom_nothing_came_proves_nothing():
    assert found([]) == [Violation.UNDELIVERED]
    assert found([], (FEED,)) == []


@pytest.mark.parametrize("outcome", [Outcome.INFO, Outcome.FAIL])
def test_what_nobody_was_promised_need_not_be_delivered(outcome):
    assert found(GOOD, (*WRITES, FEED, write("r1:op:3", outcome=outcome))) == []


def test_a_later_version_that_is_taken_first_is_disorder():
    """Seen by the versions, by the writes, and by what had to be waited for."""
    assert found([arrival(10, SECOND), arrival(11, FIRST)]) == [Violation.DELIVERIES_DISORDERED] * 3


def test_a_later_step_that_is_taken_first_is_disorder_also_without_versions():
    first, second = replace(FIRST, version=None), replace(SECOND, version=None)
    operations = (*WRITES, page(20, first, second))
    assert found([arrival(10, first), arrival(11, second)], operations) == []
    swapped = [arrival(10, second), arrival(11, first)]
    assert found(swapped, operations) == [Violation.DELIVERIES_DISORDERED]


def test_what_comes_while_the_one_before_is_put_off_overtakes_it():
    """Also where it is refused itself: it should have waited."""
    first = [arrival(10, FIRST, taken=False), arrival(16, FIRST, attempt=2)]
    refused = arrival(11, SECOND, taken=False)
    assert found([first[0], refused, first[1], arrival(17, SECOND)]) == [Violation.DELIVERIES_DISORDERED]


def test_what_comes_and_is_put_off_before_an_earlier_one_comes_overtakes_it():
    late = [arrival(10, SECOND, taken=False), arrival(11, FIRST), arrival(17, SECOND, attempt=2)]
    assert found(late) == [Violation.DELIVERIES_DISORDERED]


def test_a_step_whose_outcome_is_unknown_has_no_place_among_the_others():
    first, second = replace(FIRST, version=None), replace(SECOND, version=None)
    unsure = write(TAKEN.marker, function="take", outcome=Outcome.INFO)
    operations = (unsure, CLOSED, page(20, first, second))
    assert found([arrival(10, second), arrival(11, first)], operations, TAKEN.marker) == []


def test_what_comes_after_one_that_never_was_taken_overtakes_it():
    untaken = event("e0", 0)
    arrivals = [arrival(9, untaken, taken=False), *GOOD]
    assert found(arrivals) == [Violation.DELIVERIES_DISORDERED, Violation.DELIVERIES_DISORDERED]


def test_one_version_of_several_events_has_no_order_but_comes_before_the_next():
    letter = event("e3", 1)
    operations = (*WRITES, page(20, FIRST, letter, SECOND))
    assert found([arrival(9, letter), *GOOD], operations) == []
    assert found([GOOD[0], GOOD[1], arrival(12, letter)], operations) != []
    untaken = [GOOD[0], arrival(11, letter, taken=False), arrival(12, SECOND)]
    assert found(untaken, operations) == [Violation.DELIVERIES_DISORDERED]


def test_versions_of_different_entities_have_nothing_to_do_with_each_other():
    other = event("e3", 9, entity="request:q2")
    assert found([arrival(9, other), *GOOD], (*WRITES, page(20, FIRST, SECOND, other))) == []


@pytest.mark.parametrize("change", [{"digest": "x"}, {"type": "request.closed"}])
def test_a_delivery_that_says_something_else_than_the_feed_is_found(change):
    assert found([GOOD[0], arrival(11, replace(SECOND, **change))]) == [Violation.DELIVERIES_CHANGED]


def test_a_delivery_that_says_something_else_is_found_also_where_it_was_put_off():
    arrivals = [
        GOOD[0],
        arrival(11, replace(SECOND, digest="x"), taken=False),
        arrival(17, SECOND, attempt=2),
    ]
    assert found(arrivals) == [Violation.DELIVERIES_CHANGED]


def test_what_the_feed_said_last_counts():
    """A failover with accepted loss may have taken back what it said before."""
    assert found(GOOD, (*WRITES, page(5, FIRST, replace(SECOND, digest="x")), FEED)) == []


def test_a_delivery_that_says_something_else_than_before_is_found():
    """Also where the follower was not told of it."""
    other = [*GOOD, arrival(12, replace(SECOND, digest="x"), attempt=2)]
    assert found(other, (*WRITES, page(5))) == [Violation.DELIVERIES_CHANGED]


def test_a_write_in_two_events_is_found():
    double = event("e3", 3, CLOSED.marker)
    operations = (*WRITES, page(20, FIRST, SECOND, double))
    assert found([*GOOD, arrival(12, double)], operations) == [Violation.DELIVERIES_CHANGED]


@pytest.mark.parametrize("taken", [False, True])
def test_a_delivery_without_a_valid_signature_is_found_and_counts_for_nothing(taken):
    forged = arrival(11, SECOND, taken=taken, err="no signature of this body by this secret")
    findings = check_webhooks([GOOD[0], forged], (*WRITES, FEED), state(TAKEN.marker, CLOSED.marker), "r1")
    assert [(finding.violation, finding.subject) for finding in findings] == [
        (Violation.UNDELIVERED, CLOSED.marker),
        (Violation.FORGED, "e2"),
    ]


def test_a_forged_delivery_says_nothing_of_order_content_or_writes():
    fields = {"taken": False, "err": "no signature of this body by this secret"}
    invented = event("e3", 1, entity="request:q3")
    forged = [arrival(8, replace(SECOND, digest="x"), **fields), arrival(9, invented, **fields)]
    assert found([*forged, *GOOD]) == [Violation.FORGED, Violation.FORGED]


def test_what_is_no_event_at_all_is_a_forged_delivery():
    nothing = replace(GOOD[0], told=(), err="webhook-id is e1, the event none", state="refused")
    assert found([*GOOD, nothing]) == [Violation.FORGED]


def test_an_event_of_a_write_that_is_not_there_is_a_phantom():
    lost = event("e3", 1, "r1:feed-1:1", entity="batch:b")
    operations = (*WRITES, page(20, FIRST, SECOND, lost))
    assert found([*GOOD, arrival(12, lost)], operations) == [Violation.PHANTOM_DELIVERY]
    assert found([*GOOD, arrival(12, lost)], operations, "r1:feed-1:1") == []


def test_an_event_that_the_feed_does_not_tell_is_a_phantom():
    invented = arrival(12, event("e3", 1, entity="request:q3"))
    assert found([*GOOD, invented]) == [Violation.PHANTOM_DELIVERY]
    assert found([*GOOD, invented], (*WRITES, page(5), FEED)) == [Violation.PHANTOM_DELIVERY]
    again = replace(invented, t_ns=30 * S, attempt=2)
    assert found([*GOOD, invented, again]) == [Violation.PHANTOM_DELIVERY]
    later = replace(invented, t_ns=30 * S)
    assert found([*GOOD, later]) == []  # the follower had gone
    unfinished = page(20, FIRST, SECOND, state="more")
    assert found([*GOOD, invented], (*WRITES, unfinished)) == []


def test_without_a_primary_nothing_is_said_of_phantoms():
    told = [*GOOD, arrival(12, event("e3", 1, "r1:feed-1:1", entity="batch:b"))]
    assert check_webhooks(told, (*WRITES, page(5)), FinalState(()), "r1") == ()
    assert webhooks(told, WRITES, (), Moments({}, None), compared=False).phantom is None


def test_the_figures_count_deliveries_and_how_late_they_came():
    arrivals = [
        arrival(10, FIRST, taken=False),
        arrival(16, FIRST, status=None, attempt=2),
        arrival(22, FIRST, attempt=3),
        arrival(23, SECOND),
    ]
    measured = webhooks(arrivals, WRITES, (), Moments({Mark.FAULT: 2 * S}, "dc1-db1"), compared=True)
    assert (measured.delivered, measured.writes, measured.attempts) == (2, 2, 4)
    assert (measured.put_off, measured.repeated) == (2, 1)
    assert (measured.delay_max_before_s, measured.delay_max_s) == (16 - 0.5, 23 - 2.5)
    assert measured.delay_median_s == 18.0


def test_the_figures_count_what_was_found():
    """Each violation by its own name; a forged delivery was not put off by the receiver."""
    counted = {
        Violation.UNDELIVERED: 2,
        Violation.DELIVERIES_DISORDERED: 3,
        Violation.DELIVERIES_CHANGED: 4,
        Violation.FORGED: 5,
        Violation.PHANTOM_DELIVERY: 6,
    }
    findings = [Finding(kind, f"s{place}", "") for kind, many in counted.items() for place in range(many)]
    forged = arrival(9, SECOND, taken=False, err="no signature of this body by this secret")
    measured = webhooks([forged, *GOOD], WRITES, findings, Moments({}, None), compared=True)
    broken = (measured.missing, measured.disordered, measured.changed, measured.forged, measured.phantom)
    assert broken == (2, 3, 4, 5, 6)
    assert (measured.attempts, measured.put_off) == (3, 0)
