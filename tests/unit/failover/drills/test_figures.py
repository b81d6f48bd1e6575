"""The verdict's figures, each from a history small enough to work out by hand. Seconds become ns."""

from dataclasses import replace

import pytest

from failover.drills.figures import (
    STOPPED,
    accepting_runs,
    card_transactions,
    requests,
    rto_s,
    throughput,
    write_stall_max_s,
    writers_max,
)
from failover.drills.model import Attempt, Event, EventType, Operation, Outcome
from failover.drills.moments import Mark, Moments


def ns(seconds):
    return int(seconds * 1e9)


def moments(**at):
    found = {Mark(name.replace("_", "-")): ns(seconds) for name, seconds in at.items()}
    return Moments(found, "dc1-db1")


DRILL = {"load": 0, "baseline": 2, "fault": 10, "effect": 10.2, "recovered": 20, "load_stopped": 30}


def ack(ended, started=None, *, function="card_transaction", attempts=(), size=1):
    started = ended - 0.01 if started is None else started
    return Operation(
        proc="feed-1", function=function, key=f"k{ended}", marker=f"k{ended}", entity=None,
        invoked_ns=ns(started), ended_ns=ns(ended), outcome=Outcome.OK, attempts=tuple(attempts), size=size,
    )  # fmt: skip


def steady(start, end, every=0.1):
    return [ack(start + number * every) for number in range(round((end - start) / every))]


def test_the_outage_ends_with_the_first_acknowledgement_after_it():
    assert rto_s([*steady(2, 10), *steady(18, 30)], moments(**DRILL)) == pytest.approx(8.0)


def test_a_dying_servers_last_words_are_no_recovery():
    """A killed server may still acknowledge for an instant after the fault took effect."""
    last_words = [ack(10.25, started=10.21), ack(10.3, started=10.22)]
    assert rto_s([*steady(2, 10), *last_words, *steady(18, 30)], moments(**DRILL)) == pytest.approx(8.0)


def test_without_an_outage_it_is_the_first_write_sent_after_the_fault():
    operations = [*steady(2, 30), ack(10.26, started=10.21)]
    assert rto_s(operations, moments(**DRILL)) == pytest.approx(0.26)


def test_an_ordinary_gap_long_after_is_not_the_faults():
    operations = [*steady(2, 20), *steady(25, 30)]
    assert rto_s(operations, moments(**DRILL)) == pytest.approx(0.3, abs=0.11)


def test_a_slow_load_has_a_slow_rhythm():
    """Acknowledgements a second apart before the fault are no outage after it."""
    found = rto_s(steady(2, 30, every=1.0), moments(**DRILL))
    assert found == pytest.approx(1.0)


def test_never_back_is_none():
    assert rto_s(steady(2, 10), moments(**DRILL)) is None
    assert rto_s([], moments(**DRILL)) is None


def test_a_drill_without_a_fault_has_no_figure():
    assert rto_s(steady(2, 10), moments(load=0, baseline=2)) is None
    assert write_stall_max_s(steady(2, 10), moments(load=0, baseline=2)) is None


def test_the_stall_counts_to_the_end_of_the_load():
    assert write_stall_max_s(steady(2, 25), moments(**DRILL)) == pytest.approx(5.1, abs=0.05)


def test_the_stall_does_not_count_the_warm_up():
    assert write_stall_max_s(steady(2, 30), moments(**DRILL)) == pytest.approx(0.1, abs=0.05)


def test_reads_do_not_shorten_a_stall():
    reading = Operation(
        proc="portal-1", function="list_requests", key="x", marker=None, entity=None, invoked_ns=ns(14),
        ended_ns=ns(15), outcome=Outcome.OK, attempts=(),
    )  # fmt: skip
    operations = [*steady(2, 10), reading, *steady(20, 30)]
    assert write_stall_max_s(operations, moments(**DRILL)) == pytest.approx(10.1, abs=0.05)


def test_throughput_by_window():
    found = throughput([*steady(2, 10), *steady(20, 30, every=0.2)], moments(**DRILL))
    assert (found.before_rps, found.during_rps, found.after_rps) == (10.0, 0.0, 5.0)
    assert throughput([], moments(load=0)).before_rps is None


def attempt(number, *, succeeded):
    return Attempt(number, 0, 1, succeeded=succeeded, route="dc1", status=503, err=None)


def test_requests_count_attempts_and_operations_apart():
    recovered = ack(3, attempts=[attempt(1, succeeded=False), attempt(2, succeeded=True)])
    fields = {"proc": "p", "function": "f", "marker": "m", "entity": None, "invoked_ns": 0, "ended_ns": 1}
    failed = (attempt(1, succeeded=False),)
    gave_up = Operation(key="a", outcome=Outcome.INFO, attempts=failed, err="gave up", **fields)
    stopped = Operation(key="b", outcome=Outcome.INFO, attempts=failed, err=STOPPED, **fields)
    refused = Operation(key="c", outcome=Outcome.FAIL, attempts=failed, **fields)
    found = requests([recovered, gave_up, stopped, refused])
    assert (found.total, found.failed, found.operations) == (5, 4, 4)
    assert (found.gave_up, found.refused) == (1, 1)


def sample(node, at, *, accepted=True, latency=0.01, timeline=1):
    return Event(
        t_ns=ns(at), type=EventType.OBSERVE, proc="observer", function="writer", node=node,
        status=int(accepted), latency_ns=ns(latency), timeline=timeline if accepted else None,
    )  # fmt: skip


def test_writers_one_after_the_other_are_one():
    assert writers_max([sample("a", 1), sample("a", 2), sample("b", 2.02), sample("b", 3)]) == 1


def test_writers_at_the_same_time_are_two():
    assert writers_max([sample("a", 1), sample("b", 1.005), sample("c", 5)]) == 2


def test_writers_that_take_turns_and_whose_samples_never_overlap_are_two():
    """Known bad: each node is sampled for 10 ms of every 150, each at a phase of its own."""
    one = [sample("a", 1 + beat * 0.15) for beat in range(10)]
    other = [sample("b", 1.07 + beat * 0.15, timeline=2) for beat in range(10)]
    assert writers_max(one) == writers_max(other) == 1
    assert writers_max([*one, *other]) == 2


def test_one_sample_between_two_of_the_other_is_enough():
    assert writers_max([sample("a", 1), sample("b", 1.07), sample("a", 1.15)]) == 2


def test_a_refusal_in_between_ends_a_run():
    handed_over = [sample("a", 1), sample("a", 1.15, accepted=False), sample("b", 1.2, timeline=2)]
    handed_back = [sample("b", 1.35, accepted=False), sample("a", 1.4, timeline=3)]
    assert writers_max([*handed_over, *handed_back]) == 1


def test_a_primary_that_comes_back_on_a_new_timeline_was_none_in_between():
    """Handed over and back between two of its samples, so that no refusal was seen."""
    assert writers_max([sample("a", 1), sample("b", 1.07, timeline=2), sample("a", 1.15, timeline=3)]) == 1


def test_runs_say_who_accepted_from_when_to_when():
    samples = [sample("a", 1), sample("a", 1.15), sample("a", 1.3, accepted=False), sample("a", 1.45)]
    assert [(run.node, run.start_ns, run.end_ns) for run in accepting_runs(samples)] == [
        ("a", ns(1) - ns(0.01), ns(1.15)),
        ("a", ns(1.45) - ns(0.01), ns(1.45)),
    ]


def test_refusals_are_no_writers():
    assert writers_max([sample("a", 1), sample("b", 1, accepted=False)]) == 1
    assert writers_max([sample("a", 1, accepted=False)]) == 0


def test_card_transactions_are_counted_singly_and_in_batches():
    batches = [ack(3 + number, function="card_batch", size=50) for number in range(4)]
    found = card_transactions([*batches, ack(9), ack(9.1, function="close")], moments(**DRILL))
    assert found.acknowledged == 201
    assert found.throughput.before_rps == pytest.approx(201 / 8, abs=0.05)
    assert (found.throughput.during_rps, found.throughput.after_rps) == (0, 0)


def test_a_batch_that_nobody_acknowledged_counts_for_nothing():
    unknown = replace(ack(3, function="card_batch", size=50), outcome=Outcome.INFO)
    assert card_transactions([unknown], moments(**DRILL)).acknowledged == 0
