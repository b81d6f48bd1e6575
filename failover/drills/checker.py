"""Checks a history against what the databases hold. Pure: events and rows in, violations out.

What the CRM's own events tell is checked in `feed` and `webhooks`, in the words of this module.

What each check proves, and what it cannot, is written in docs/drills.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from failover.drills.linearizability import unlinearizable_entities
from failover.drills.model import FinalState, NodeState, Operation, Outcome


class Violation(StrEnum):
    """What can be wrong, each with the sentence that a verdict uses."""

    LOST = "acknowledged writes are missing"
    DUPLICATED = "writes are stored more than once"
    PHANTOM = "writes are stored that were refused or never sent"
    TORN = "writes are stored in part"
    EXECUTED_TWICE = "idempotency keys were executed more than once"
    EXECUTION_UNRECORDED = "acknowledged writes have no record of their idempotency key"
    READ_LOST = "writes were read and are missing later"
    TWO_WRITERS = "two nodes acknowledged writes in overlapping intervals"
    NOT_LINEARIZABLE = "requests have no order of transitions that explains their answers"
    UNVERIFIED = "nodes could not be compared"
    UNTOLD = "events of acknowledged writes are missing"
    EVENTS_DISORDERED = "events of one entity are told out of their order"
    EVENTS_CHANGED = "events are told again as others, or at another position"
    CURSOR_BROKEN = "cursors of the feed are refused, lead back or leave positions out"
    PHANTOM_EVENT = "phantom events are told, of writes that do not exist"
    UNDELIVERED = "events of acknowledged writes are not delivered"
    DELIVERIES_DISORDERED = "events of one entity are delivered out of their order"
    DELIVERIES_CHANGED = "events are delivered with another content than the feed's, or than before"
    FORGED = "deliveries have no valid signature"
    PHANTOM_DELIVERY = (
        "phantom events are delivered, of writes that do not exist or that the feed does not tell"
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation: of which write (or transaction of a batch), key, request or node, and what was found."""

    violation: Violation
    subject: str
    detail: str


def check(operations: Sequence[Operation], final: FinalState, run_id: str) -> tuple[Finding, ...]:
    """Return every violation of the run, none when all holds.

    Args:
        operations: all operations of the run's clients.
        final: the rows of the run on every node, read after the load ended and the cluster was whole.
        run_id: the first part of the run's markers, ``<run>:<proc>:<n>``.

    The transactions of a batch are looked at one by one.
    """
    return (
        *_unverified(final),
        *_lost(operations, final),
        *_duplicated(final),
        *_phantom(operations, final, run_id),
        *_torn(operations, final),
        *_executions(operations, final),
        *_reads_lost(operations, final, run_id),
        *overlapping_writers(operations),
        *_not_linearizable(operations),
    )


def subjects(findings: Iterable[Finding], violation: Violation) -> frozenset[str]:
    """Return what is affected by one violation, each once."""
    return frozenset(finding.subject for finding in findings if finding.violation is violation)


def _comparable(final: FinalState) -> tuple[NodeState, ...]:
    return tuple(node for node in final.nodes if node.is_primary or node.caught_up)


def _unverified(final: FinalState) -> Iterator[Finding]:
    if final.primary is None:
        yield Finding(Violation.UNVERIFIED, "primary", "the primary could not be read: nothing is proven")
    primaries = [node.node for node in final.nodes if node.is_primary]
    if len(primaries) > 1:
        yield Finding(Violation.TWO_WRITERS, ", ".join(primaries), "all out of recovery after the drill")
    for node in final.nodes:
        if not node.is_primary and not node.caught_up:
            yield Finding(Violation.UNVERIFIED, node.node, "did not reach the primary's position in time")


def _lost(operations: Iterable[Operation], final: FinalState) -> Iterator[Finding]:
    nodes = _comparable(final)
    for operation in operations:
        if not operation.acknowledged:
            continue
        where = f"acknowledged by {operation.node} on timeline {operation.timeline}"
        for marker in operation.markers:
            missing = [node.node for node in nodes if not node.markers.get(marker)]
            if missing:
                yield Finding(Violation.LOST, marker, f"{where}, missing on {', '.join(missing)}")


def _duplicated(final: FinalState) -> Iterator[Finding]:
    for node in _comparable(final):
        for marker, count in node.markers.items():
            if count > 1:
                yield Finding(Violation.DUPLICATED, marker, f"{count} times on {node.node}")


def _phantom(operations: Iterable[Operation], final: FinalState, run_id: str) -> Iterator[Finding]:
    outcomes = {marker: operation.outcome for operation in operations for marker in operation.markers}
    for node in _comparable(final):
        for marker in node.markers:
            if not marker.startswith(f"{run_id}:"):
                continue
            if marker not in outcomes:
                yield Finding(Violation.PHANTOM, marker, f"on {node.node}, never sent")
            elif outcomes[marker] is Outcome.FAIL:
                yield Finding(Violation.PHANTOM, marker, f"on {node.node}, though refused")


def _torn(operations: Sequence[Operation], final: FinalState) -> Iterator[Finding]:
    """Find what is there in part, also of writes that nobody was told are done: all is one transaction."""
    for node in _comparable(final):
        for operation in operations:
            begun = sum(marker in node.markers for marker in operation.markers)
            whole = sum(node.markers.get(marker, 0) > 0 for marker in operation.markers)
            if operation.marker is not None and begun and whole < operation.size:
                detail = f"{whole} of {operation.size} whole on {node.node}"
                yield Finding(Violation.TORN, operation.marker, detail)


def _executions(operations: Iterable[Operation], final: FinalState) -> Iterator[Finding]:
    primary = final.primary
    if primary is None:
        return
    for key, count in primary.executions.items():
        if count > 1:
            yield Finding(Violation.EXECUTED_TWICE, key, f"{count} executions recorded")
    for operation in operations:
        stored = operation.acknowledged and operation.marker in primary.markers
        if stored and operation.key not in primary.executions:
            yield Finding(Violation.EXECUTION_UNRECORDED, operation.key, f"of {operation.marker}")


def _reads_lost(operations: Iterable[Operation], final: FinalState, run_id: str) -> Iterator[Finding]:
    """Find what a read on the primary showed and the primary no longer has.

    A replica may show a commit that the other standbys have not confirmed and that nobody was told is
    done; losing that breaks no promise (decision record 0302), so stale reads are left out.
    """
    if final.primary is None:
        return
    for operation in operations:
        if operation.outcome is not Outcome.OK or operation.stale:
            continue
        for marker in operation.seen:
            if marker.startswith(f"{run_id}:") and not final.primary.markers.get(marker):
                yield Finding(Violation.READ_LOST, marker, f"read by {operation.key} from {operation.node}")


@dataclass(frozen=True, slots=True)
class WriterInterval:
    """When a node certainly wrote on a timeline: commits at or before `first`, and at or after `last`."""

    node: str
    timeline: int
    first_ns: int
    last_ns: int


def writer_intervals(operations: Iterable[Operation]) -> tuple[WriterInterval, ...]:
    """Return the acknowledging interval of every (node, timeline), oldest timeline first.

    A commit lies between the operation's first invocation and its acknowledgement, also when the
    acknowledgement is a replay of a stored answer. So the earliest acknowledgement bounds a node's
    first commit from above, and the latest invocation its last commit from below.
    """
    bounds: dict[tuple[str, int], tuple[int, int]] = {}
    for operation in operations:
        if not operation.acknowledged or operation.ended_ns is None:
            continue
        if operation.node is None or operation.timeline is None:
            continue
        writer = (operation.node, operation.timeline)
        first, last = bounds.get(writer, (operation.ended_ns, operation.invoked_ns))
        bounds[writer] = (min(first, operation.ended_ns), max(last, operation.invoked_ns))
    intervals = (WriterInterval(node, timeline, *bound) for (node, timeline), bound in bounds.items())
    return tuple(sorted(intervals, key=lambda interval: (interval.timeline, interval.first_ns)))


def overlapping_writers(operations: Iterable[Operation]) -> Iterator[Finding]:
    """Find two nodes on one timeline, and an older timeline written after a newer one began."""
    intervals = writer_intervals(operations)
    for index, older in enumerate(intervals):
        for newer in intervals[index + 1 :]:
            pair = f"{older.node} on timeline {older.timeline}, {newer.node} on timeline {newer.timeline}"
            if older.timeline == newer.timeline:
                yield Finding(Violation.TWO_WRITERS, pair, "one timeline, two writers")
            elif older.last_ns > newer.first_ns:
                overlap = (older.last_ns - newer.first_ns) / 1e9
                yield Finding(Violation.TWO_WRITERS, pair, f"overlap of at least {overlap:.3f} s")


def _not_linearizable(operations: Sequence[Operation]) -> Iterator[Finding]:
    for entity, history in unlinearizable_entities(operations):
        steps = ", ".join(f"{step.function} {step.outcome}" for step in history)
        yield Finding(Violation.NOT_LINEARIZABLE, entity, steps)
