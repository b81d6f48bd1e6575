"""What the feed may not do, each seen to be found; and what it may, seen to be left alone."""

from dataclasses import replace

import pytest

from failover.drills.checker import Violation
from failover.drills.feed import FOLLOW, check_feed, events
from failover.drills.model import FinalState, NodeState, Operation, Outcome, ToldEvent
from failover.drills.moments import Mark, Moments

pytestmark = pytest.mark.safety

S = 10**9


def write(marker, *, at=0, entity=None, function="request", size=1, outcome=Outcome.OK):
    return Operation(
        proc="operator-1", function=function, key=marker, marker=marker, entity=entity, invoked_ns=at * S,
        ended_ns=at * S + S // 2, outcome=outcome, attempts=(), node="10.77.1.21", timeline=1, size=size,
    )  # fmt: skip


def event(position, *markers, version=None, entity=None, name=None):
    name = name or f"e{position}"
    return ToldEvent(position, name, "request.taken", entity or f"request:{name}", version, markers)


def look(number, **more):
    fields = {
        "function": FOLLOW,
        "marker": None,
        "outcome": Outcome.OK,
        "attempts": (),
        "entity": None,
        **more,
    }
    key = f"r1:follower-1:{number}"
    return Operation(proc="follower-1", key=key, invoked_ns=number * S, ended_ns=number * S, **fields)


def pages(*of_each, first=7):
    """A follower who begins at a position and is told these events, page after page."""
    found, reached = [look(100, reached=first)], first
    for number, told in enumerate(of_each, start=101):
        found.append(look(number, after=reached, reached=reached + len(told), told=tuple(told)))
        reached += len(told)
    return found


def state(*markers):
    return FinalState((NodeState("dc2-db1", True, True, 2, dict.fromkeys(markers, 1), {}),))


def found(operations, *stored):
    everything = [*stored, *(marker for op in operations if op.acknowledged for marker in op.markers)]
    return [finding.violation for finding in check_feed(operations, state(*everything), "r1")]


TAKEN = write("r1:operator-1:1", entity="q1", function="take")
CLOSED = write("r1:operator-1:2", at=2, entity="q1", function="close")
GOOD = [TAKEN, CLOSED, *pages([event(8, TAKEN.marker)], [], [event(9, CLOSED.marker), event(10)])]


def test_what_is_told_once_in_order_is_well():
    assert found(GOOD) == []


def test_an_acknowledged_write_that_is_not_told_is_found():
    late = write("r1:operator-1:3")
    assert [
        (finding.violation, finding.subject)
        for finding in check_feed([*GOOD, late], state(TAKEN.marker, CLOSED.marker, late.marker), "r1")
    ] == [(Violation.UNTOLD, late.marker)]


@pytest.mark.parametrize("gone", range(3))
def test_each_transaction_of_a_batch_has_to_be_told(gone):
    batch = write("r1:processing-1:1", function="card_batch", size=3)
    told = [marker for place, marker in enumerate(batch.markers) if place != gone]
    assert found([batch, *pages([event(8, *batch.markers)])]) == []
    assert found([batch, *pages([event(8, *told)])]) == [Violation.UNTOLD]


def test_a_feed_that_nobody_was_shown_proves_nothing():
    assert found([TAKEN]) == [Violation.UNTOLD]
    assert found([TAKEN, look(1, outcome=Outcome.INFO)]) == [Violation.UNTOLD]
    assert found([]) == []


@pytest.mark.parametrize("outcome", [Outcome.INFO, Outcome.FAIL])
def test_what_nobody_was_promised_need_not_be_told(outcome):
    assert found([*GOOD, write("r1:operator-1:3", outcome=outcome)]) == []


def test_to_be_told_the_same_again_is_at_least_once():
    again = look(120, after=10, reached=10)
    assert found([*GOOD, replace(again, after=10, told=())]) == []
    repeated = [*GOOD, look(120, after=8, reached=10, told=GOOD[-1].told)]
    assert found(repeated) == [Violation.CURSOR_BROKEN]  # the going back alone


def test_a_later_step_told_before_an_earlier_one_is_disorder():
    swapped = pages([event(8, CLOSED.marker), event(9, TAKEN.marker)])
    assert found([TAKEN, CLOSED, *swapped]) == [Violation.EVENTS_DISORDERED]


def test_steps_at_the_same_time_have_any_order():
    at_once = replace(CLOSED, invoked_ns=TAKEN.invoked_ns)
    assert found([TAKEN, at_once, *pages([event(8, CLOSED.marker), event(9, TAKEN.marker)])]) == []


def test_a_version_that_goes_back_is_disorder():
    def told(*versions):
        return pages([event(8 + place, version=v, entity="request:q1") for place, v in enumerate(versions)])

    assert found(told(1, 2, 2, 3)) == []  # a letter is told under the version of its request
    assert found(told(1, 3, 2)) == [Violation.EVENTS_DISORDERED]
    assert found(told(3, 1, 2)) == [Violation.EVENTS_DISORDERED] * 2


def test_versions_of_different_entities_have_nothing_to_do_with_each_other():
    assert found(pages([event(8, version=5), event(9, version=1)])) == []


def test_a_position_that_holds_another_event_than_before_is_found():
    other = event(9, CLOSED.marker, name="another")
    rewritten = [*GOOD, look(120, after=8, reached=9, told=(other,))]
    assert Violation.EVENTS_CHANGED in found(rewritten)


def test_the_same_event_with_other_content_is_found():
    changed = replace(GOOD[-1].told[0], version=9)
    assert Violation.EVENTS_CHANGED in found([*GOOD, look(120, after=8, reached=9, told=(changed,))])


def test_an_event_at_two_positions_is_found():
    assert found([*GOOD, look(120, after=10, reached=11, told=(event(11, name="e10"),))]) == [
        Violation.EVENTS_CHANGED
    ]


def test_a_write_told_by_two_events_is_found():
    assert found([*GOOD, look(120, after=10, reached=11, told=(event(11, TAKEN.marker),))]) == [
        Violation.EVENTS_CHANGED
    ]


def test_a_refused_cursor_is_found():
    refused = look(120, outcome=Outcome.FAIL, status=410, err="cursor-lost")
    findings = check_feed([*GOOD, refused], state(TAKEN.marker, CLOSED.marker), "r1")
    assert [(finding.violation, finding.detail) for finding in findings] == [
        (Violation.CURSOR_BROKEN, "refused with 410 cursor-lost")
    ]


def test_a_look_that_was_given_up_is_made_again_with_the_same_cursor():
    assert found([*GOOD, look(120, outcome=Outcome.INFO), look(121, after=10, reached=10)]) == []


def test_a_page_that_leads_back_is_found():
    assert found([*GOOD, look(120, after=10, reached=6)]) == [Violation.CURSOR_BROKEN]


def test_a_page_that_leaves_a_position_out_is_found():
    """Also where the event that is left out is of no write of the run."""
    assert found([*GOOD, look(120, after=10, reached=12, told=(event(12),))]) == [Violation.CURSOR_BROKEN]


def test_a_page_that_begins_elsewhere_than_the_one_before_ended_is_found():
    assert found([*GOOD, look(120, after=11, reached=11)]) == [Violation.CURSOR_BROKEN]


def test_an_event_of_a_write_that_is_not_there_is_a_phantom():
    lost = event(11, "r1:feed-1:1")
    told = [*GOOD, look(120, after=10, reached=11, told=(lost,))]
    assert found(told) == [Violation.PHANTOM_EVENT]
    assert found(told, "r1:feed-1:1") == []


def test_events_of_others_are_nobodys_business():
    assert found([*GOOD, look(120, after=10, reached=11, told=(event(11, "r0:feed-1:1"),))]) == []


def test_without_a_primary_nothing_is_said_of_phantoms():
    told = [*GOOD, look(120, after=10, reached=11, told=(event(11, "r1:feed-1:1"),))]
    assert check_feed(told, FinalState(()), "r1") == ()
    assert events(told, (), Moments({}, None), compared=False).phantom is None


def test_the_figures_count_writes_and_how_late_they_were_told():
    findings = check_feed(GOOD, state(), "r1")
    moments = Moments({Mark.FAULT: 2 * S}, "dc1-db1")
    measured = events(GOOD, findings, moments, compared=True)
    assert (measured.told, measured.writes, measured.missing, measured.phantom) == (3, 2, 0, 2)
    assert measured.delay_max_before_s == 101 - 0.5
    assert measured.delay_max_s == pytest.approx(103 - 2.5)
    assert measured.delay_median_s == pytest.approx(100.5)


def test_told_before_the_acknowledgement_arrived_is_no_delay():
    early = [write("r1:operator-1:1", at=500), *pages([event(8, "r1:operator-1:1")])]
    assert events(early, (), Moments({}, None), compared=True).delay_max_s == 0
