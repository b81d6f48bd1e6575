"""Checks what the CRM's events told against the writes and the rows, whichever way they went. Pure.

Every acknowledged write leaves an event, in order for each entity, at least once. What only a feed or only a
webhook can break is checked in `feed` and `webhooks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from failover.drills.checker import Finding, Violation
from failover.drills.model import FinalState, Operation, ToldEvent
from failover.drills.moments import Mark, Moments


@dataclass(frozen=True, slots=True)
class Way:
    """One way for events to leave, and what it is called when that goes wrong. `untold`: of a write."""

    untold: str
    nobody: str
    missing: Violation
    disordered: Violation
    changed: Violation
    phantom: Violation


FEED = Way(
    untold="not told by the feed",
    nobody="nobody was shown a page of the feed: nothing is proven",
    missing=Violation.UNTOLD,
    disordered=Violation.EVENTS_DISORDERED,
    changed=Violation.EVENTS_CHANGED,
    phantom=Violation.PHANTOM_EVENT,
)
WEBHOOKS = Way(
    untold="not delivered",
    nobody="no delivery was taken: nothing is proven",
    missing=Violation.UNDELIVERED,
    disordered=Violation.DELIVERIES_DISORDERED,
    changed=Violation.DELIVERIES_CHANGED,
    phantom=Violation.PHANTOM_DELIVERY,
)


@dataclass(frozen=True, slots=True)
class Telling:
    """One time that somebody was told: a page of the feed, or a delivery that was taken."""

    at_ns: int
    events: tuple[ToldEvent, ...]


@dataclass(frozen=True, slots=True)
class Delays:
    """How many acknowledged writes were told, and how many seconds later; see `verdict.Events`."""

    writes: int
    median_s: float | None
    max_before_s: float | None
    max_s: float | None


def check_told(
    way: Way, tellings: Sequence[Telling], operations: Sequence[Operation], final: FinalState, run_id: str
) -> Iterator[Finding]:
    """Find what breaks the promises of every way. Tellings are in their order."""
    first = first_told(tellings)
    yield from _missing(way, tellings, operations)
    yield from _disordered(way, operations, first)
    yield from _told_twice(way, tellings)
    yield from _phantoms(way, first, final, run_id)


def first_told(tellings: Iterable[Telling]) -> dict[str, ToldEvent]:
    """Return each event by its id as it was told first, in the order of telling."""
    found: dict[str, ToldEvent] = {}
    for telling in tellings:
        for event in telling.events:
            found.setdefault(event.id, event)
    return found


def delays(operations: Iterable[Operation], tellings: Iterable[Telling], moments: Moments) -> Delays:
    """Return how late writes were told. A delay is from the acknowledgement, at least 0."""
    found = _delays_s(operations, tellings)
    fault_ns = moments.at_ns.get(Mark.FAULT)
    every = [delay for _, delay in found]
    before = [delay for acked_ns, delay in found if fault_ns is None or acked_ns < fault_ns]
    return Delays(
        writes=len(every),
        median_s=round(median(every), 3) if every else None,
        max_before_s=round(max(before), 3) if before else None,
        max_s=round(max(every), 3) if every else None,
    )


def _delays_s(operations: Iterable[Operation], tellings: Iterable[Telling]) -> list[tuple[int, float]]:
    """Return of each acknowledged write that was told: when it was acknowledged, and how long it took."""
    told_ns: dict[str, int] = {}
    for telling in tellings:
        for event in telling.events:
            for marker in event.markers:
                told_ns.setdefault(marker, telling.at_ns)
    return [
        (operation.ended_ns, max(told_ns[marker] - operation.ended_ns, 0) / 1e9)
        for operation in operations
        if operation.acknowledged and operation.ended_ns is not None
        for marker in operation.markers
        if marker in told_ns
    ]


def _missing(way: Way, tellings: Sequence[Telling], operations: Iterable[Operation]) -> Iterator[Finding]:
    acknowledged = [operation for operation in operations if operation.acknowledged]
    if not tellings:
        if acknowledged:
            yield Finding(way.missing, "all", way.nobody)
        return
    told = {marker for telling in tellings for event in telling.events for marker in event.markers}
    for operation in acknowledged:
        where = f"acknowledged by {operation.node} on timeline {operation.timeline}"
        for marker in operation.markers:
            if marker not in told:
                yield Finding(way.missing, marker, f"{where}, {way.untold}")


def _disordered(
    way: Way, operations: Iterable[Operation], first: Mapping[str, ToldEvent]
) -> Iterator[Finding]:
    """Find an entity whose version went back, or a later write told before an earlier one."""
    newest: dict[str, ToldEvent] = {}
    for event in first.values():
        before = newest.get(event.entity, event)
        if event.version is None or before.version is None or event.version >= before.version:
            newest[event.entity] = event
            continue
        detail = f"version {event.version} ({event.type}) after {before.version} ({before.type})"
        yield Finding(way.disordered, event.entity, detail)
    in_order = list(enumerate(first.values()))
    place = {marker: number for number, event in reversed(in_order) for marker in event.markers}
    for earlier, later in _successions(operations):
        if place.get(earlier.marker or "", -1) > place.get(later.marker or "", len(place)):
            detail = f"{later.function} {later.marker} before {earlier.function} {earlier.marker}"
            yield Finding(way.disordered, earlier.entity or "", detail)


def _successions(operations: Iterable[Operation]) -> Iterator[tuple[Operation, Operation]]:
    """Yield acknowledged writes of one entity of which the second was begun when the first was over."""
    by_entity: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation.acknowledged and operation.entity is not None:
            by_entity.setdefault(operation.entity, []).append(operation)
    for writes in by_entity.values():
        for earlier, later in pairwise(sorted(writes, key=lambda write: write.invoked_ns)):
            if earlier.ended_ns is not None and earlier.ended_ns < later.invoked_ns:
                yield earlier, later


def _told_twice(way: Way, tellings: Iterable[Telling]) -> Iterator[Finding]:
    """Find a write in two events. To be told the same event again is allowed: "at least once"."""
    event_of: dict[str, str] = {}
    for event in (event for telling in tellings for event in telling.events):
        for marker in event.markers:
            teller = event_of.setdefault(marker, event.id)
            if teller != event.id:
                yield Finding(way.changed, marker, f"told by {teller} and by {event.id}")


def _phantoms(way: Way, first: Mapping[str, ToldEvent], final: FinalState, run_id: str) -> Iterator[Finding]:
    if final.primary is None:
        return
    for event in first.values():
        for marker in event.markers:
            if marker.startswith(f"{run_id}:") and not final.primary.markers.get(marker):
                place = "" if event.position is None else f" at {event.position}"
                yield Finding(way.phantom, marker, f"told as {event.type} {event.id}{place}")
