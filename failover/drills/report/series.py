"""What the charts show, computed from events and operations. Pure; times in seconds from the fault."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, zip_longest

from failover.drills.figures import WRITER
from failover.drills.model import Event, EventType, Operation, Outcome
from failover.drills.moments import MARKER_PROC, Mark, Moments
from failover.drills.phases import ENTRY, LEADER, SERVES_WRITES
from failover.drills.probe import Answer

# Width of one bucket of the charts over time. Half a second shows a stall of a second, and is not noise.
BUCKET_S = 0.5


@dataclass(frozen=True, slots=True)
class Bucket:
    """One stretch of time: operations done and attempts failed in each second of it, latency in ms."""

    at_s: float
    writes: float
    reads: float
    failed: float
    p50: float | None
    p95: float | None
    p99: float | None


class Tone(StrEnum):
    """How a stretch of a lane is to be read; also its class in the style sheet."""

    GOOD = "good"
    QUIET = "quiet"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A lane's state over time; `label` names it."""

    start_s: float
    end_s: float
    tone: Tone
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    name: str
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that happened at an instant."""

    at_s: float
    tone: Tone
    text: str


class Axis:
    """Turns monotonic nanoseconds into seconds from the fault, or from the load's start without one."""

    def __init__(self, moments: Moments) -> None:
        marks = moments.at_ns
        self.zero_ns = marks.get(Mark.FAULT, marks.get(Mark.LOAD, min(marks.values(), default=0)))

    def seconds(self, t_ns: int) -> float:
        return (t_ns - self.zero_ns) / 1e9


def buckets(operations: Iterable[Operation], axis: Axis, start_s: float, end_s: float) -> tuple[Bucket, ...]:
    """Count what ended in each whole bucket between `start_s` and `end_s`, also where nothing did."""
    count = max(math.floor((end_s - start_s) / BUCKET_S), 1)
    writes, reads, failed = [0] * count, [0] * count, [0] * count
    latencies: list[list[float]] = [[] for _ in range(count)]

    def index(t_ns: int) -> int | None:
        found = math.floor((axis.seconds(t_ns) - start_s) / BUCKET_S)
        return found if 0 <= found < count else None

    for operation in operations:
        for attempt in operation.attempts:
            at = index(attempt.ended_ns)
            if at is not None and not attempt.succeeded:
                failed[at] += 1
        at = index(operation.ended_ns) if operation.ended_ns is not None else None
        if at is not None and operation.ended_ns is not None and operation.outcome is Outcome.OK:
            (writes if operation.is_write else reads)[at] += 1
            latencies[at].append((operation.ended_ns - operation.invoked_ns) / 1e6)
    return tuple(
        Bucket(
            at_s=start_s + number * BUCKET_S,
            writes=writes[number] / BUCKET_S,
            reads=reads[number] / BUCKET_S,
            failed=failed[number] / BUCKET_S,
            p50=percentile(latencies[number], 50),
            p95=percentile(latencies[number], 95),
            p99=percentile(latencies[number], 99),
        )
        for number in range(count)
    )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile, None of nothing."""
    if not values:
        return None
    rank = max(math.ceil(percent / 100 * len(values)), 1)
    return sorted(values)[rank - 1]


def lanes(events: Sequence[Event], axis: Axis, names: Mapping[str, str]) -> tuple[Lane, ...]:
    """Return a lane for each entry, the leader key and each database node, in that order.

    Args:
        events: the history; samples of the observer are read.
        axis: the time axis.
        names: host name by address.
    """
    samples = [event for event in events if event.type is EventType.OBSERVE and event.proc != MARKER_PROC]
    entries = sorted({event.route for event in samples if event.function == ENTRY and event.route})
    nodes = sorted({event.node for event in samples if event.function == WRITER and event.node})
    found = [
        _lane(f"entry {site}", [e for e in samples if e.function == ENTRY and e.route == site], axis, names)
        for site in entries
    ]
    found.append(_lane("leader key", [e for e in samples if e.function == LEADER], axis, names))
    found += [
        _lane(node, [e for e in samples if e.function == WRITER and e.node == node], axis, names)
        for node in nodes
    ]
    return tuple(lane for lane in found if lane.stretches)


def _lane(name: str, samples: Sequence[Event], axis: Axis, names: Mapping[str, str]) -> Lane:
    """Join samples of one state; a state lasts from its sample to the next one."""
    stretches: list[Stretch] = []
    for sample, following in zip_longest(samples, samples[1:]):
        tone, label = _reading(sample, names)
        start = axis.seconds(sample.t_ns)
        end = axis.seconds(following.t_ns) if following is not None else start
        last = stretches[-1] if stretches else None
        if last is not None and (last.tone, last.label) == (tone, label):
            stretches[-1] = Stretch(last.start_s, end, tone, label)
        else:
            stretches.append(Stretch(start, end, tone, label))
    return Lane(name, tuple(stretches))


_ENTRY_READINGS = {SERVES_WRITES: Tone.GOOD, "reads": Tone.WARN}
_WRITER_READINGS = {
    Answer.ACCEPTED: (Tone.GOOD, "accepts writes"),
    Answer.READ_ONLY: (Tone.QUIET, "standby"),
    Answer.LATE: (Tone.WARN, "no write in time"),
}


def _reading(sample: Event, names: Mapping[str, str]) -> tuple[Tone, str]:
    """Return how a sample is shown."""
    node = names.get(sample.node or "", sample.node or "")
    if sample.function == ENTRY:
        tone = _ENTRY_READINGS.get(sample.state or "", Tone.BAD)
        return tone, {Tone.GOOD: f"writes → {node}", Tone.WARN: "reads only"}.get(tone, "no answer")
    if sample.function == LEADER:
        if sample.err is not None:
            return Tone.BAD, "unreadable"
        return (Tone.GOOD, node) if sample.node else (Tone.WARN, "free")
    return _WRITER_READINGS.get(Answer(sample.state or Answer.REFUSED), (Tone.BAD, "down"))


_MARK_FLAGS = {
    Mark.RECOVERED: (Tone.GOOD, "writes are back"),
    Mark.LOAD_STOPPED: (Tone.QUIET, "load ends"),
    Mark.HEALING: (Tone.WARN, "healing"),
    Mark.PARITY: (Tone.GOOD, "parity"),
    Mark.RESTORED: (Tone.QUIET, "primary returned"),
}


def flags(events: Sequence[Event], moments: Moments, axis: Axis) -> tuple[Flag, ...]:
    """Return the faults, the runner's marks and the changes of the leader key, in order of time."""
    found = [
        Flag(axis.seconds(moments.at_ns[mark]), tone, text)
        for mark, (tone, text) in _MARK_FLAGS.items()
        if mark in moments.at_ns
    ]
    for event in events:
        if event.type is EventType.FAULT and event.state == "begun":
            words = event.function.replace("_", " ")
            found.append(Flag(axis.seconds(event.t_ns), Tone.BAD, f"{words}: {event.entity}"))
    return tuple(sorted([*found, *_leader_flags(events, axis)], key=lambda flag: flag.at_s))


def _leader_flags(events: Iterable[Event], axis: Axis) -> Iterator[Flag]:
    """Yield a flag for each change of the leader key's holder."""
    reads = [e for e in events if e.type is EventType.OBSERVE and e.function == LEADER and e.err is None]
    for before, after in pairwise(reads):
        if after.node == before.node:
            continue
        at_s = axis.seconds(after.t_ns)
        if after.node is None:
            yield Flag(at_s, Tone.WARN, "leader key free")
        else:
            yield Flag(at_s, Tone.GOOD, f"leader: {after.node}")
