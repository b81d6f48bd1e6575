"""What the orchestrator's journal says of a drill, as events of its history. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from failover import journal
from failover.drills.model import Event, EventType
from failover.drills.phases import DETECTION, RELEASE
from failover.verbs import Verb

PROC = "orchestrator"


@dataclass(frozen=True, slots=True)
class Instant:
    """One instant on both clocks. The journal's times are wall-clock; the lab's hosts share one clock."""

    wall: datetime
    monotonic_ns: int

    def on_the_one_clock(self, at: float) -> int:
        """Return the monotonic time (ns) of a wall-clock time (seconds since 1970)."""
        return self.monotonic_ns + int((at - self.wall.timestamp()) * 1e9)


def events(entries: Iterable[journal.Entry], since: datetime, now: Instant) -> tuple[Event, ...]:
    """Return when each operation since then was decided on, and when it released the leader key."""
    return tuple(
        Event(
            t_ns=now.on_the_one_clock(record.at),
            type=EventType.OBSERVE,
            proc=PROC,
            function=function,
            node=entry.ordered_by,
            entity=entry.id,
            state=str(entry.plan.operation),
        )
        for entry in entries
        if entry.records and entry.records[0].at >= since.timestamp()
        for function, record in _turning_points(entry)
    )


def _turning_points(entry: journal.Entry) -> Iterator[tuple[str, journal.Record]]:
    yield DETECTION, entry.records[0]
    releases = {
        step.name
        for step in entry.plan.steps
        if step.do is not None and step.do.verb is Verb.RELEASE_LEADER_KEY
    }
    for record in entry.records:
        if record.step in releases and record.event is journal.Event.DONE:
            yield RELEASE, record
