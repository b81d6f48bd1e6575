"""Checks what the follower of the event feed was told against the writes and the rows. Pure.

Every acknowledged write leaves an event. Positions of the feed are numbers without gaps, given after the
commit (docs/decisions/0140-events.md), so that a cursor from before a fault has to be honoured after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

from failover.drills.checker import Finding, Violation, subjects
from failover.drills.model import FinalState, Operation, Outcome, ToldEvent
from failover.drills.moments import Mark, Moments
from failover.drills.verdict import Events

FOLLOW = "follow"


def check_feed(operations: Sequence[Operation], final: FinalState, run_id: str) -> tuple[Finding, ...]:
    """Return every violation of the feed, none when all holds; see `checker.check` for the arguments."""
    pages = _pages(operations)
    first_told = _first_told(pages)
    return (
        *_untold(operations, pages),
        *_out_of_order(operations, first_told),
        *_retold(pages),
        *_cursors_broken(operations, pages),
        *_phantoms(first_told, final, run_id),
    )


def events(
    operations: Sequence[Operation], findings: Iterable[Finding], moments: Moments, *, compared: bool
) -> Events:
    """Return the figures of what was told. A write's delay is from its acknowledgement, at least 0.

    `compared`: there was a primary whose rows could be read.
    """
    pages, found = _pages(operations), tuple(findings)
    delays = _delays_s(operations, pages)
    fault_ns = moments.at_ns.get(Mark.FAULT)
    before = [delay for acked_ns, delay in delays if fault_ns is None or acked_ns < fault_ns]
    after = [delay for acked_ns, delay in delays if fault_ns is not None and acked_ns >= fault_ns]
    every = [*before, *after]
    return Events(
        told=len(_first_told(pages)),
        writes=len(delays),
        missing=len(subjects(found, Violation.UNTOLD)),
        disordered=len(subjects(found, Violation.EVENTS_DISORDERED)),
        retold=len(subjects(found, Violation.EVENTS_CHANGED)),
        cursors=len(subjects(found, Violation.CURSOR_BROKEN)),
        phantom=len(subjects(found, Violation.PHANTOM_EVENT)) if compared else None,
        delay_median_s=round(median(every), 3) if every else None,
        delay_max_before_s=round(max(before), 3) if before else None,
        delay_max_s=round(max(every), 3) if every else None,
    )


def _pages(operations: Iterable[Operation]) -> list[Operation]:
    pages = [op for op in operations if op.function == FOLLOW and op.outcome is Outcome.OK]
    return sorted(pages, key=lambda page: page.ended_ns or 0)


def _first_told(pages: Iterable[Operation]) -> dict[str, ToldEvent]:
    """Return each event by its id as it was told first, in the order of telling."""
    found: dict[str, ToldEvent] = {}
    for page in pages:
        for event in page.told:
            found.setdefault(event.id, event)
    return found


def _delays_s(operations: Iterable[Operation], pages: Iterable[Operation]) -> list[tuple[int, float]]:
    """Return of each acknowledged write that was told: when it was acknowledged, and how long it took."""
    told_ns: dict[str, int] = {}
    for page in pages:
        for event in page.told:
            for marker in event.markers:
                told_ns.setdefault(marker, page.ended_ns or 0)
    return [
        (operation.ended_ns, max(told_ns[marker] - operation.ended_ns, 0) / 1e9)
        for operation in operations
        if operation.acknowledged and operation.ended_ns is not None
        for marker in operation.markers
        if marker in told_ns
    ]


def _untold(operations: Iterable[Operation], pages: Sequence[Operation]) -> Iterator[Finding]:
    acknowledged = [operation for operation in operations if operation.acknowledged]
    if not pages:
        if acknowledged:
            yield Finding(Violation.UNTOLD, "feed", "nobody was shown a page of it: nothing is proven")
        return
    told = {marker for page in pages for event in page.told for marker in event.markers}
    for operation in acknowledged:
        where = f"acknowledged by {operation.node} on timeline {operation.timeline}"
        for marker in operation.markers:
            if marker not in told:
                yield Finding(Violation.UNTOLD, marker, f"{where}, not told by the feed")


def _out_of_order(operations: Iterable[Operation], first_told: Mapping[str, ToldEvent]) -> Iterator[Finding]:
    """Find an entity whose version went back, or a later write told before an earlier one."""
    newest: dict[str, ToldEvent] = {}
    for event in first_told.values():
        before = newest.get(event.entity, event)
        if event.version is None or before.version is None or event.version >= before.version:
            newest[event.entity] = event
            continue
        detail = f"version {event.version} ({event.type}) after {before.version} ({before.type})"
        yield Finding(Violation.EVENTS_DISORDERED, event.entity, detail)
    in_order = list(enumerate(first_told.values()))
    place = {marker: number for number, event in reversed(in_order) for marker in event.markers}
    for earlier, later in _successions(operations):
        if place.get(earlier.marker or "", -1) > place.get(later.marker or "", len(place)):
            detail = f"{later.function} {later.marker} before {earlier.function} {earlier.marker}"
            yield Finding(Violation.EVENTS_DISORDERED, earlier.entity or "", detail)


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


def _retold(pages: Iterable[Operation]) -> Iterator[Finding]:
    """Find a position that held another event before, an event at two positions, a write in two events.

    To be told the same again is allowed: "at least once".
    """
    at: dict[int, ToldEvent] = {}
    position_of: dict[str, int] = {}
    event_of: dict[str, str] = {}
    for event in (event for page in pages for event in page.told):
        first = at.setdefault(event.position, event)
        if first != event:
            detail = f"{first.type} {first.id}, then {event.type} {event.id}"
            yield Finding(Violation.EVENTS_CHANGED, f"position {event.position}", detail)
        position = position_of.setdefault(event.id, event.position)
        if position != event.position:
            yield Finding(Violation.EVENTS_CHANGED, event.id, f"at {position}, then at {event.position}")
        for marker in event.markers:
            teller = event_of.setdefault(marker, event.id)
            if teller != event.id:
                yield Finding(Violation.EVENTS_CHANGED, marker, f"told by {teller} and by {event.id}")


def _cursors_broken(operations: Iterable[Operation], pages: Sequence[Operation]) -> Iterator[Finding]:
    """Find a refused cursor, and a page that leads back, leaves positions out or goes on elsewhere."""
    for operation in operations:
        if operation.function == FOLLOW and operation.outcome is Outcome.FAIL:
            refusal = f"refused with {operation.status} {operation.err or ''}".rstrip()
            yield Finding(Violation.CURSOR_BROKEN, operation.key, refusal)
    for page in pages:
        if page.after is None or page.reached is None:
            continue
        if page.reached < page.after:
            detail = f"led back from {page.after} to {page.reached}"
            yield Finding(Violation.CURSOR_BROKEN, page.key, detail)
        elif page.reached - page.after != len(page.told):
            detail = f"{len(page.told)} events from {page.after} to {page.reached}"
            yield Finding(Violation.CURSOR_BROKEN, page.key, detail)
    for before, page in pairwise(pages):
        if page.after != before.reached:
            detail = f"went on after {page.after}, the page before had led to {before.reached}"
            yield Finding(Violation.CURSOR_BROKEN, page.key, detail)


def _phantoms(first_told: Mapping[str, ToldEvent], final: FinalState, run_id: str) -> Iterator[Finding]:
    if final.primary is None:
        return
    for event in first_told.values():
        for marker in event.markers:
            if marker.startswith(f"{run_id}:") and not final.primary.markers.get(marker):
                detail = f"told as {event.type} {event.id} at {event.position}"
                yield Finding(Violation.PHANTOM_EVENT, marker, detail)
