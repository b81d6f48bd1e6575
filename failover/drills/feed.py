"""Checks what the follower of the event feed was told, page by page. Pure.

Positions of the feed are numbers without gaps, given after the commit (docs/decisions/0140-events.md), so
that a cursor from before a fault has to be honoured after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from failover.drills.checker import Finding, Violation, subjects
from failover.drills.model import FinalState, Operation, Outcome, ToldEvent
from failover.drills.moments import Moments
from failover.drills.told import FEED, Telling, check_told, delays, first_told
from failover.drills.verdict import Events

FOLLOW = "follow"


def check_feed(operations: Sequence[Operation], final: FinalState, run_id: str) -> tuple[Finding, ...]:
    """Return every violation of the feed, none when all holds; see `checker.check` for the arguments."""
    pages = pages_of(operations)
    return (
        *check_told(FEED, _tellings(pages), operations, final, run_id),
        *_retold(pages),
        *_cursors_broken(operations, pages),
    )


def events(
    operations: Sequence[Operation], findings: Iterable[Finding], moments: Moments, *, compared: bool
) -> Events:
    """Return the figures of what was told. `compared`: there was a primary whose rows could be read."""
    tellings, found = _tellings(pages_of(operations)), tuple(findings)
    late = delays(operations, tellings, moments)
    return Events(
        told=len(first_told(tellings)),
        writes=late.writes,
        missing=len(subjects(found, Violation.UNTOLD)),
        disordered=len(subjects(found, Violation.EVENTS_DISORDERED)),
        retold=len(subjects(found, Violation.EVENTS_CHANGED)),
        cursors=len(subjects(found, Violation.CURSOR_BROKEN)),
        phantom=len(subjects(found, Violation.PHANTOM_EVENT)) if compared else None,
        delay_median_s=late.median_s,
        delay_max_before_s=late.max_before_s,
        delay_max_s=late.max_s,
    )


def pages_of(operations: Iterable[Operation]) -> list[Operation]:
    """Return the follower's looks that were answered, in the order of their answers."""
    pages = [op for op in operations if op.function == FOLLOW and op.outcome is Outcome.OK]
    return sorted(pages, key=lambda page: page.ended_ns or 0)


def _tellings(pages: Iterable[Operation]) -> list[Telling]:
    return [Telling(page.ended_ns or 0, page.told) for page in pages]


def _retold(pages: Iterable[Operation]) -> Iterator[Finding]:
    """Find a position that held another event before, and an event at two positions."""
    at: dict[int | None, ToldEvent] = {}
    position_of: dict[str, int | None] = {}
    for event in (event for page in pages for event in page.told):
        first = at.setdefault(event.position, event)
        if first != event:
            detail = f"{first.type} {first.id}, then {event.type} {event.id}"
            yield Finding(Violation.EVENTS_CHANGED, f"position {event.position}", detail)
        position = position_of.setdefault(event.id, event.position)
        if position != event.position:
            yield Finding(Violation.EVENTS_CHANGED, event.id, f"at {position}, then at {event.position}")


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
