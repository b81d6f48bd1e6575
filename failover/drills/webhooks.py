"""Checks what the receiver of webhooks was delivered, against the writes, the rows and the feed. Pure.

An event is delivered when the receiver took it: a refusal has to be followed by another attempt. Events of
one entity never overtake each other: the next waits until the one before was taken (docs/crm-integration.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from failover.drills.checker import Finding, Violation, subjects
from failover.drills.feed import pages_of
from failover.drills.model import Event, EventType, FinalState, Operation, ToldEvent
from failover.drills.moments import Moments
from failover.drills.told import WEBHOOKS, Telling, check_told, delays, first_told
from failover.drills.verdict import Webhooks

DELIVERY = "delivery"
# The state of a delivery that the receiver took, and of a page of the feed that does not reach its end.
TAKEN = "taken"
MORE = "more"
# What the receiver answers where it takes an event and says so.
_NO_CONTENT = 204


def check_webhooks(
    history: Iterable[Event], operations: Sequence[Operation], final: FinalState, run_id: str
) -> tuple[Finding, ...]:
    """Return every violation of the webhooks, none when all holds; see `checker.check` for the arguments."""
    arrivals = _arrivals(history)
    genuine = [arrival for arrival in arrivals if arrival.err is None]
    tellings = _tellings(arrivals)
    return (
        *check_told(WEBHOOKS, tellings, operations, final, run_id),
        *_forged(arrivals),
        *_overtaking(genuine),
        *_changed(genuine, operations),
        *_unknown_to_the_feed(first_told(tellings), genuine, operations),
    )


def webhooks(
    history: Iterable[Event],
    operations: Sequence[Operation],
    findings: Iterable[Finding],
    moments: Moments,
    *,
    compared: bool,
) -> Webhooks:
    """Return the figures of what was delivered. `compared`: there was a primary whose rows could be read."""
    arrivals, found = _arrivals(history), tuple(findings)
    tellings = _tellings(arrivals)
    late = delays(operations, tellings, moments)
    delivered = first_told(tellings)
    return Webhooks(
        delivered=len(delivered),
        writes=late.writes,
        attempts=len(arrivals),
        put_off=sum(arrival.err is None and arrival.status != _NO_CONTENT for arrival in arrivals),
        repeated=len(tellings) - len(delivered),
        missing=len(subjects(found, Violation.UNDELIVERED)),
        disordered=len(subjects(found, Violation.DELIVERIES_DISORDERED)),
        changed=len(subjects(found, Violation.DELIVERIES_CHANGED)),
        forged=len(subjects(found, Violation.FORGED)),
        phantom=len(subjects(found, Violation.PHANTOM_DELIVERY)) if compared else None,
        delay_median_s=late.median_s,
        delay_max_before_s=late.max_before_s,
        delay_max_s=late.max_s,
    )


def _arrivals(history: Iterable[Event]) -> list[Event]:
    found = [event for event in history if event.type is EventType.OBSERVE and event.function == DELIVERY]
    return sorted(found, key=lambda arrival: (arrival.t_ns, arrival.i))


def _tellings(arrivals: Iterable[Event]) -> list[Telling]:
    return [
        Telling(arrival.t_ns, arrival.told)
        for arrival in arrivals
        if arrival.state == TAKEN and arrival.err is None
    ]


def _forged(arrivals: Iterable[Event]) -> Iterator[Finding]:
    for arrival in arrivals:
        if arrival.err is not None:
            yield Finding(Violation.FORGED, arrival.idempotency_key or "no id", arrival.err)


def _overtaking(arrivals: Sequence[Event]) -> Iterator[Finding]:
    """Find an event that came, taken or not, before an earlier one of its entity had been taken."""
    came: dict[str, int] = {}
    taken: dict[str, int] = {}
    known: dict[str, ToldEvent] = {}
    for place, arrival in enumerate(arrivals):
        for event in arrival.told:
            known.setdefault(event.id, event)
            came.setdefault(event.id, place)
            if arrival.state == TAKEN:
                taken.setdefault(event.id, place)
    never = len(arrivals)
    for entity, versions in _by_version(known.values()):
        slowest: ToldEvent | None = None  # of all older versions
        for events in versions:
            for event in events:
                if slowest is not None and taken.get(slowest.id, never) > came[event.id]:
                    detail = f"{event.type} {event.id} came before {slowest.type} {slowest.id} was taken"
                    yield Finding(Violation.DELIVERIES_DISORDERED, entity, detail)
            older = [*events, slowest] if slowest else events
            slowest = max(older, key=lambda event: taken.get(event.id, never))


def _by_version(events: Iterable[ToldEvent]) -> Iterator[tuple[str, list[list[ToldEvent]]]]:
    """Yield each entity with its events, those of one version together, the oldest version first."""
    found: dict[str, dict[int, list[ToldEvent]]] = {}
    for event in events:
        if event.version is not None:
            found.setdefault(event.entity, {}).setdefault(event.version, []).append(event)
    for entity, by_version in found.items():
        yield entity, [by_version[version] for version in sorted(by_version)]


def _changed(arrivals: Iterable[Event], operations: Iterable[Operation]) -> Iterator[Finding]:
    """Find a delivery with another content than the feed's event, or than the delivery before, has."""
    first = {event.id: replace(event, position=None) for event in _fed(operations).values()}
    for arrival in arrivals:
        for event in arrival.told:
            told = first.setdefault(event.id, event)
            if told != event:
                yield Finding(Violation.DELIVERIES_CHANGED, event.id, f"{told}, then {event}")


def _fed(operations: Iterable[Operation]) -> dict[str, ToldEvent]:
    found: dict[str, ToldEvent] = {}
    for page in pages_of(operations):
        for event in page.told:
            found[event.id] = event  # the latest: what a loss took back may have been told otherwise before
    return found


def _unknown_to_the_feed(
    delivered: Mapping[str, ToldEvent], arrivals: Iterable[Event], operations: Sequence[Operation]
) -> Iterator[Finding]:
    """Find what came before the follower last looked to the feed's end, and was never told there.

    What is delivered has its place in the feed by then, and the follower began before the subscription did.
    """
    to_the_end = [page for page in pages_of(operations) if page.state != MORE]
    if not to_the_end:
        return
    asked_last_ns, fed = to_the_end[-1].invoked_ns, _fed(operations)
    came_ns: dict[str, int] = {}
    for arrival in arrivals:
        for event in arrival.told:
            came_ns.setdefault(event.id, arrival.t_ns)
    for event in delivered.values():
        if event.id not in fed and came_ns[event.id] < asked_last_ns:
            yield Finding(Violation.PHANTOM_DELIVERY, event.id, f"{event.type}, not told by the feed")
