"""The figures of a verdict, computed from operations and observations. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from failover.drills.model import Event, EventType, Operation, Outcome
from failover.drills.moments import Mark, Moments, Window
from failover.drills.verdict import CardTransactions, Requests, Throughput

# A gap between acknowledgements counts as an outage when it is longer than this, and than twice the
# longest gap before the fault: below, it is the ordinary rhythm of the load.
OUTAGE_MIN_S = 0.25
# An outage belongs to the fault when it begins at most this long after the fault took effect.
ONSET_S = 5.0
NEVER_NS = 2**63
# A node whose last sample is older than this when the load ends was watched no more.
SAMPLED_WITHIN_S = 3.0
# The client's word for an operation that was cut short because the load was told to end.
STOPPED = "stopped"
# What the processing system sends: a card transaction, and a batch of them.
FEED = frozenset({"card_transaction", "card_batch"})
# The function of an observer's sample of who accepts writes.
WRITER = "writer"


def acknowledgements(operations: Iterable[Operation]) -> list[int]:
    """Return the instants of all acknowledged writes, in order."""
    return sorted(op.ended_ns for op in operations if op.acknowledged and op.ended_ns is not None)


def longest_gap_s(acks: Sequence[int], window: Window) -> float:
    """Return the longest time within the window without an acknowledged write, in seconds."""
    inside = [ack for ack in acks if ack in window]
    edges = [window.start_ns, *inside, window.end_ns]
    return max(later - earlier for earlier, later in pairwise(edges)) / 1e9


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without an acknowledged write; not `recovered` when the load ended in it."""

    start_ns: int
    end_ns: int
    recovered: bool


def outage(operations: Sequence[Operation], moments: Moments) -> Outage | None:
    """Return the fault's outage, None when writes went on as usual or there was no fault.

    It is the longest gap between acknowledgements that begins at most `ONSET_S` after the fault took
    effect: a killed server may still acknowledge for an instant, and that must not count as recovery.
    """
    if Mark.FAULT not in moments.at_ns or Mark.EFFECT not in moments.at_ns:
        return None
    acks = acknowledgements(operations)
    longest = _longest_outage(
        acks,
        moments.at_ns[Mark.FAULT],
        onset_ns=moments.at_ns[Mark.EFFECT] + int(ONSET_S * 1e9),
        load_end_ns=moments.at_ns.get(Mark.LOAD_STOPPED, NEVER_NS),
    )
    ordinary = longest.end_ns - longest.start_ns <= _ordinary_gap_ns(acks, moments)
    return None if ordinary else longest


def rto_s(operations: Sequence[Operation], moments: Moments) -> float | None:
    """Return the seconds from the fault to the acknowledged write that ended its outage.

    Without an outage, the time to the first acknowledgement of a write that was first sent after the
    fault took effect. None when no write was acknowledged again, or there was no fault.
    """
    if Mark.FAULT not in moments.at_ns or Mark.EFFECT not in moments.at_ns:
        return None
    found = outage(operations, moments)
    if found is not None:
        end = found.end_ns if found.recovered else None
    else:
        effect = moments.at_ns[Mark.EFFECT]
        sent_after = (op for op in operations if op.acknowledged and op.invoked_ns >= effect)
        end = min((op.ended_ns for op in sent_after if op.ended_ns is not None), default=None)
    return None if end is None else round((end - moments.at_ns[Mark.FAULT]) / 1e9, 3)


def _longest_outage(acks: Sequence[int], fault: int, onset_ns: int, load_end_ns: int) -> Outage:
    """Return the longest gap that reaches past the fault and begins by `onset_ns`."""
    last_before = max(bisect_right(acks, fault) - 1, 0)
    reaching = list(acks[last_before:]) or [fault]
    gaps = [Outage(start, end, recovered=True) for start, end in pairwise(reaching)]
    gaps.append(Outage(reaching[-1], max(load_end_ns, reaching[-1]), recovered=False))
    early = [gap for gap in gaps if gap.start_ns <= onset_ns] or gaps[:1]
    return max(early, key=lambda gap: gap.end_ns - gap.start_ns)


def _ordinary_gap_ns(acks: Sequence[int], moments: Moments) -> float:
    baseline = moments.window(Mark.BASELINE, Mark.FAULT)
    before = longest_gap_s(acks, baseline) if baseline and baseline.seconds > 0 else 0.0
    return max(OUTAGE_MIN_S, 2 * before) * 1e9


def write_stall_max_s(operations: Sequence[Operation], moments: Moments) -> float | None:
    """Return the longest time without an acknowledged write while the load ran, after its warm-up."""
    window = moments.window(Mark.BASELINE, Mark.LOAD_STOPPED)
    return None if window is None else round(longest_gap_s(acknowledgements(operations), window), 3)


def throughput(
    operations: Sequence[Operation], moments: Moments, weigh: Callable[[Operation], int] = lambda _: 1
) -> Throughput:
    """Return the succeeded operations, each by its weight, in a second before, during and after the fault."""
    return Throughput(
        before_rps=_rate(operations, moments.window(Mark.BASELINE, Mark.FAULT), weigh),
        during_rps=_rate(operations, moments.window(Mark.FAULT, Mark.RECOVERED), weigh),
        after_rps=_rate(operations, moments.window(Mark.RECOVERED, Mark.LOAD_STOPPED), weigh),
    )


def _rate(
    operations: Iterable[Operation], window: Window | None, weigh: Callable[[Operation], int]
) -> float | None:
    if window is None or window.seconds <= 0:
        return None
    inside = (op for op in operations if op.ended_ns is not None and op.ended_ns in window)
    done = sum(weigh(operation) for operation in inside if operation.outcome is Outcome.OK)
    return round(done / window.seconds, 1)


def card_transactions(operations: Sequence[Operation], moments: Moments) -> CardTransactions:
    """Count the acknowledged card transactions, of batches too."""

    def fed(operation: Operation) -> int:
        return operation.size if operation.function in FEED else 0

    acknowledged = sum(fed(operation) for operation in operations if operation.acknowledged)
    return CardTransactions(acknowledged, throughput(operations, moments, fed))


def requests(operations: Iterable[Operation]) -> Requests:
    """Count attempts and operations by fate; what the end of the load cut short did not give up."""
    everything = list(operations)
    attempts = [attempt for operation in everything for attempt in operation.attempts]
    gave_up = [op for op in everything if op.outcome is Outcome.INFO and op.ended_ns and op.err != STOPPED]
    return Requests(
        total=len(attempts),
        failed=sum(not attempt.succeeded for attempt in attempts),
        gave_up=len(gave_up),
        operations=len(everything),
        refused=sum(operation.outcome is Outcome.FAIL for operation in everything),
    )


@dataclass(frozen=True, slots=True)
class AcceptingRun:
    """From the first accepted sample's start to the last one's end, on one timeline, all accepted."""

    node: str
    timeline: int | None
    start_ns: int
    end_ns: int


def accepting_runs(events: Iterable[Event]) -> Iterator[AcceptingRun]:
    """Yield the unbroken runs of accepted sample writes, each node's in order.

    Whoever accepts one sample and the next on the same timeline was a writer between them too. A sample
    that was refused, not answered or late ends the run; late ones are marked so by the observer and count
    for nothing themselves, because their commit may have been long before.
    """
    running: dict[str, AcceptingRun] = {}
    for event in sorted(_writer_samples(events), key=lambda event: event.t_ns):
        node = event.node or ""
        run = running.pop(node, None)
        accepted = event.status == 1
        if run is not None and accepted and run.timeline == event.timeline:
            running[node] = replace(run, end_ns=event.t_ns)
            continue
        if run is not None:
            yield run
        if accepted:
            start_ns = event.t_ns - (event.latency_ns or 0)
            running[node] = AcceptingRun(node, event.timeline, start_ns, event.t_ns)
    yield from running.values()


def _writer_samples(events: Iterable[Event]) -> Iterator[Event]:
    return (
        event
        for event in events
        if event.type is EventType.OBSERVE and event.function == WRITER and event.node
    )


def unwatched(events: Iterable[Event], hosts: Iterable[str], moments: Moments) -> tuple[str, ...]:
    """Return the hosts that nobody asked for a write until the load ended; all, when that is not known."""
    last = {event.node: event.t_ns for event in sorted(_writer_samples(events), key=lambda e: e.t_ns)}
    due = moments.at_ns.get(Mark.LOAD_STOPPED, NEVER_NS) - SAMPLED_WITHIN_S * 1e9
    return tuple(host for host in hosts if last.get(host, 0) < due)


def writers_max(events: Iterable[Event]) -> int:
    """Return the most nodes whose accepting runs overlap in time, 0 when no sample was accepted."""
    edges: list[tuple[int, int, str]] = []
    for run in accepting_runs(events):
        edges += [(run.start_ns, 1, run.node), (run.end_ns, -1, run.node)]
    accepting: dict[str, int] = {}
    most = 0
    for _, step, node in sorted(edges, key=lambda edge: (edge[0], edge[1])):
        accepting[node] = accepting.get(node, 0) + step
        most = max(most, sum(count > 0 for count in accepting.values()))
    return most
