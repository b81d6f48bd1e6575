"""The checker, seen to fire on every known-bad history, and to stay silent on every good one."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from failover.drills.checker import Violation, check, overlapping_writers
from failover.drills.model import FinalState, NodeState, Operation, Outcome

pytestmark = pytest.mark.safety

OLD, NEW = "10.77.1.21", "10.77.2.21"


def write(number, outcome=Outcome.OK, *, start=0, end=None, node=OLD, timeline=1, **more):
    marker = f"r1:feed-1:{number}"
    fields = {"function": "card_transaction", "entity": None, "attempts": (), "proc": "feed-1", **more}
    ended = start + 10 if end is None else end
    return Operation(
        key=marker, marker=marker, invoked_ns=start, ended_ns=ended, outcome=outcome,
        node=node, timeline=timeline, **fields,
    )  # fmt: skip


def read(*seen, stale=False):
    return Operation(
        proc="operator-1", function="get_request", key="r1:operator-1:9", marker=None, entity="q1",
        invoked_ns=0, ended_ns=5, outcome=Outcome.OK, attempts=(), seen=tuple(seen), stale=stale, node=OLD,
    )  # fmt: skip


def stored(*numbers, primary=True, caught_up=True, name="dc1-db1", extra=None):
    markers = Counter(f"r1:feed-1:{number}" for number in numbers)
    keys = dict.fromkeys(markers, 1)
    return NodeState(name, primary, caught_up, 1, {**markers, **(extra or {})}, keys)


def batch(number, size, outcome=Outcome.OK):
    return write(number, outcome, function="card_batch", size=size)


def kept(operation, *parts, **node):
    """A node that has these transactions of a batch, by their place in it; more than once if named so."""
    return stored(extra=Counter(operation.markers[part] for part in parts), **node)


def executed(operation, node):
    return replace(node, executions={operation.key: 1})


def violations(operations, *nodes):
    return [finding.violation for finding in check(operations, FinalState(nodes), "r1")]


def test_what_was_acknowledged_and_is_there_is_well():
    assert violations([write(1), write(2)], stored(1, 2), stored(1, 2, primary=False)) == []


def test_an_acknowledged_write_that_is_missing_is_lost():
    assert violations([write(1), write(2)], stored(1)) == [Violation.LOST]


def test_missing_on_one_replica_is_lost_too():
    findings = check([write(1)], FinalState((stored(1), stored(primary=False, name="dc2-db2"))), "r1")
    assert [finding.violation for finding in findings] == [Violation.LOST]
    assert "dc2-db2" in findings[0].detail


def test_a_replica_that_is_behind_proves_nothing_and_says_so():
    behind = stored(primary=False, caught_up=False)
    assert violations([write(1)], stored(1), behind) == [Violation.UNVERIFIED]


def test_without_a_primary_nothing_is_proven():
    assert Violation.UNVERIFIED in violations([write(1)], stored(1, primary=False))


def test_two_nodes_out_of_recovery_are_two_writers():
    assert Violation.TWO_WRITERS in violations([], stored(), stored(name="dc2-db1"))


def test_stored_twice_is_duplicated():
    assert violations([write(1)], stored(1, 1)) == [Violation.DUPLICATED]


def test_refused_and_yet_stored_is_a_phantom():
    assert violations([write(1, Outcome.FAIL)], stored(1)) == [Violation.PHANTOM]


def test_never_sent_and_yet_stored_is_a_phantom():
    assert violations([], stored(7)) == [Violation.PHANTOM]


def test_rows_of_other_runs_are_nobodys_business():
    assert violations([], stored(extra={"r0:feed-1:1": 1, "seeded": 1})) == []


@pytest.mark.parametrize("numbers", [(), (1,)])
def test_an_unknown_write_may_be_there_or_not(numbers):
    assert violations([write(1, Outcome.INFO)], stored(*numbers)) == []


def test_a_key_executed_twice_is_found():
    node = stored(1)
    twice = NodeState(node.node, True, True, 1, node.markers, {"r1:feed-1:1": 2})
    assert violations([write(1)], twice) == [Violation.EXECUTED_TWICE]


def test_a_key_that_left_no_record_is_found():
    node = stored(1)
    unrecorded = NodeState(node.node, True, True, 1, node.markers, {})
    assert violations([write(1)], unrecorded) == [Violation.EXECUTION_UNRECORDED]


def test_what_was_read_and_is_missing_later_is_found():
    assert violations([read("r1:feed-1:1")], stored()) == [Violation.READ_LOST]


def test_what_a_replica_showed_was_promised_to_nobody():
    assert violations([read("r1:feed-1:1", stale=True)], stored()) == []


def test_what_others_wrote_may_be_read():
    assert violations([read("seeded by someone else")], stored()) == []


def test_the_old_primary_after_the_new_is_two_writers():
    operations = [
        write(1, start=0, end=10),
        write(2, start=20, end=30, node=NEW, timeline=2),
        write(3, start=40, end=50),
    ]
    assert len(list(overlapping_writers(operations))) == 1


def test_two_nodes_on_one_timeline_are_two_writers():
    assert len(list(overlapping_writers([write(1), write(2, start=20, node=NEW)]))) == 1


def test_one_after_the_other_is_one_writer():
    operations = [write(1, end=10), write(2, start=20, end=30, node=NEW, timeline=2)]
    assert list(overlapping_writers(operations)) == []


def test_a_replayed_answer_of_the_old_primary_is_no_second_writer():
    """Its commit lies anywhere since the first attempt, so it proves no writing after the new one began."""
    operations = [write(1, start=0, end=100), write(2, start=20, end=30, node=NEW, timeline=2)]
    assert list(overlapping_writers(operations)) == []


def test_a_batch_that_is_there_once_and_whole_is_well():
    sent = batch(1, 3)
    assert sent.markers == ("r1:feed-1:1", "r1:feed-1:1:1", "r1:feed-1:1:2")
    assert violations([sent], executed(sent, kept(sent, 0, 1, 2))) == []


@pytest.mark.parametrize("gone", range(3))
def test_one_missing_transaction_of_an_acknowledged_batch_is_lost(gone):
    sent = batch(1, 3)
    node = executed(sent, kept(sent, *{0, 1, 2} - {gone}))
    found = check([sent], FinalState((node,)), "r1")
    assert {(finding.violation, finding.subject) for finding in found} == {
        (Violation.LOST, sent.markers[gone]),
        (Violation.TORN, sent.marker),
    }


@pytest.mark.parametrize("doubled", range(3))
def test_one_doubled_transaction_of_a_batch_is_duplicated(doubled):
    sent = batch(1, 3)
    found = check([sent], FinalState((executed(sent, kept(sent, 0, 1, 2, doubled)),)), "r1")
    assert [(finding.violation, finding.subject) for finding in found] == [
        (Violation.DUPLICATED, sent.markers[doubled])
    ]


def test_one_missing_and_one_doubled_do_not_make_up_for_each_other():
    sent = batch(1, 3)
    node = executed(sent, kept(sent, 0, 1, 1))
    assert set(violations([sent], node)) == {Violation.LOST, Violation.DUPLICATED, Violation.TORN}


def test_a_batch_torn_on_one_replica_is_found_there():
    sent = batch(1, 3)
    whole, torn = executed(sent, kept(sent, 0, 1, 2)), kept(sent, 0, 1, primary=False, name="dc2-db2")
    found = check([sent], FinalState((whole, torn)), "r1")
    assert [finding.detail for finding in found if finding.violation is Violation.TORN] == [
        "2 of 3 whole on dc2-db2"
    ]


@pytest.mark.parametrize(
    ("parts", "wrong"), [((), []), ((0, 1, 2), []), ((0, 1), [Violation.TORN]), ((2,), [Violation.TORN])]
)
def test_a_batch_of_unknown_outcome_is_there_whole_or_not_at_all(parts, wrong):
    sent = batch(1, 3, Outcome.INFO)
    assert violations([sent], kept(sent, *parts)) == wrong


def test_any_transaction_of_a_refused_batch_is_a_phantom():
    sent = batch(1, 3, Outcome.FAIL)
    assert set(violations([sent], kept(sent, 2))) == {Violation.PHANTOM, Violation.TORN}


def test_a_transaction_that_its_batch_never_had_is_a_phantom():
    sent, larger = batch(1, 3), batch(1, 4)
    assert violations([sent], executed(sent, kept(larger, 0, 1, 2, 3))) == [Violation.PHANTOM]


@pytest.mark.parametrize(
    ("outcome", "wrong"), [(Outcome.OK, Violation.LOST), (Outcome.FAIL, Violation.PHANTOM)]
)
def test_what_is_stored_in_part_is_torn_and_not_there(outcome, wrong):
    """The register knows the transaction and no month has it, or the other way round."""
    sent = write(1, outcome)
    node = executed(sent, stored(extra={sent.marker: 0}))
    assert set(violations([sent], node)) == {wrong, Violation.TORN}


def test_what_was_read_and_is_there_in_part_later_is_found():
    assert violations([read("r1:feed-1:1")], stored(extra={"r1:feed-1:1": 0}))[-1] is Violation.READ_LOST


@st.composite
def good_histories(draw):
    """Writes of a cluster that keeps its promises, and the rows that it then holds.

    Acknowledged ones are stored, refused ones are not, unknown ones are as it happens; a switch of the
    primary lies between two operations.
    """
    outcomes = draw(st.lists(st.sampled_from(Outcome), max_size=30))
    switch = draw(st.integers(0, 30))
    operations, numbers = [], []
    for number, outcome in enumerate(outcomes):
        node, timeline = (OLD, 1) if number < switch else (NEW, 2)
        operations.append(write(number, outcome, start=number * 20, node=node, timeline=timeline))
        if outcome is Outcome.OK or (outcome is Outcome.INFO and draw(st.booleans())):
            numbers.append(number)
    return operations, numbers


@given(good_histories())
@settings(max_examples=200)
def test_a_good_history_is_never_accused(history):
    operations, numbers = history
    assert violations(operations, stored(*numbers), stored(*numbers, primary=False)) == []


@given(good_histories(), st.data())
@settings(max_examples=200)
def test_any_acknowledged_write_that_vanishes_is_missed(history, data):
    operations, numbers = history
    acknowledged = [number for number in numbers if operations[number].outcome is Outcome.OK]
    if not acknowledged:
        return
    gone = data.draw(st.sampled_from(acknowledged))
    left = [number for number in numbers if number != gone]
    assert violations(operations, stored(*left)) == [Violation.LOST]
