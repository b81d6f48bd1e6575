"""Where the time between the fault and the first write went, from the observer's samples. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from failover.drills.figures import WRITER
from failover.drills.model import Event, EventType
from failover.drills.moments import Mark, Moments
from failover.drills.verdict import Phases

# The functions of the observer's other samples (docs/drills.md, "What the observer writes").
LEADER = "leader"
ENTRY = "entry"
# The orchestrator's announcement that it confirmed a loss; plain Patroni makes none.
DETECTION = "detection"
# Its word that it released the leader key, more exact than a sample.
RELEASE = "release"

# What an entry says that it serves while it reaches a primary (docs/crm-api.md, "Health and metrics").
SERVES_WRITES = "writes"


@dataclass(frozen=True, slots=True)
class Instants:
    """When each phase ended, in ns on the one clock; None when it was not seen."""

    detected: int | None
    released: int | None
    promoted: int | None
    routed: int | None
    first_write: int | None


def instants(
    events: Iterable[Event], moments: Moments, rto_s: float | None, names: Mapping[str, str]
) -> Instants | None:
    """Find the ends of the phases, None when the drill had no fault.

    Args:
        events: the whole history.
        moments: the runner's marks; `old_primary` is a host name.
        rto_s: the verdict's figure, which the first write ends.
        names: host name by address, because an entry names the primary by its address.
    """
    fault = moments.at_ns.get(Mark.FAULT)
    if fault is None:
        return None
    old = moments.old_primary
    samples = [event for event in events if event.type is EventType.OBSERVE and event.t_ns >= fault]

    def first(holds: Callable[[Event], bool]) -> int | None:
        return min((event.t_ns for event in samples if holds(event)), default=None)

    def is_new(node: str | None) -> bool:
        return node is not None and names.get(node, node) != old

    free = first(lambda e: e.function == LEADER and e.err is None and e.node != old)
    released = min(
        (at for at in (first(lambda e: e.function == RELEASE), free) if at is not None), default=None
    )
    return Instants(
        detected=first(lambda e: e.function == DETECTION) or released,
        released=released,
        promoted=first(lambda e: e.function == WRITER and e.status == 1 and is_new(e.node)),
        routed=first(lambda e: e.function == ENTRY and e.state == SERVES_WRITES and is_new(e.node)),
        first_write=None if rto_s is None else fault + int(rto_s * 1e9),
    )


def durations(found: Instants | None, moments: Moments) -> Phases:
    """Return the length of each phase, in order, without overlap.

    A sampler sees things up to one period late, so each end is held between the phase before it and
    the first write. Without a new primary there is only the time to the first write.
    """
    fault = moments.at_ns.get(Mark.FAULT)
    if found is None or fault is None:
        return Phases()
    if found.promoted is None or (
        found.first_write is not None and found.promoted > found.first_write + 10**9
    ):
        return Phases(first_write=_seconds(fault, found.first_write))
    ends = (found.detected, found.released, found.promoted, found.routed, found.first_write)
    return Phases(*_lengths(fault, ends, limit=found.first_write))


def _lengths(start: int, ends: Sequence[int | None], limit: int | None) -> list[float | None]:
    lengths: list[float | None] = []
    for end in ends:
        if end is None:
            lengths.append(None)
            continue
        held = max(start, end if limit is None else min(end, limit))
        lengths.append(_seconds(start, held))
        start = held
    return lengths


def _seconds(start: int, end: int | None) -> float | None:
    return None if end is None else round((end - start) / 1e9, 3)
