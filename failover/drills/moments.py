"""The instants of a drill, as the runner marked them in the history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from failover.drills.model import Event, EventType

# Who writes the marks, and the function that tells them from other observations.
MARKER_PROC = "drill"
MARK = "mark"


class Mark(StrEnum):
    """What the runner reached. FAULT is when injecting began, EFFECT when it was done."""

    LOAD = "load"
    BASELINE = "baseline"
    FAULT = "fault"
    EFFECT = "effect"
    RECOVERED = "recovered"
    LOAD_STOPPED = "load-stopped"
    HEALING = "healing"
    HEALED = "healed"
    PARITY = "parity"
    RESTORED = "restored"


def mark_event(mark: Mark, t_ns: int, node: str | None = None) -> Event:
    """Return the mark as an event; `node` is the primary's host name, where one is known."""
    return Event(t_ns=t_ns, type=EventType.OBSERVE, proc=MARKER_PROC, function=MARK, entity=mark, node=node)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the one clock, from `start_ns` up to, not including, `end_ns`."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9

    def __contains__(self, t_ns: int) -> bool:
        return self.start_ns <= t_ns < self.end_ns


@dataclass(frozen=True, slots=True)
class Moments:
    """The instants reached, by mark, and the primary at the fault. A drill cut short has fewer."""

    at_ns: dict[Mark, int]
    old_primary: str | None

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """Read the marks; of a repeated mark the first counts."""
        marks = [event for event in events if event.function == MARK and event.proc == MARKER_PROC]
        at_ns = {Mark(event.entity): event.t_ns for event in reversed(marks) if event.entity}
        old = next((event.node for event in marks if event.entity == Mark.FAULT), None)
        return cls(at_ns, old)

    def window(self, start: Mark, end: Mark) -> Window | None:
        """Return the time between two marks, None when the drill did not reach both."""
        if start not in self.at_ns or end not in self.at_ns:
            return None
        return Window(self.at_ns[start], self.at_ns[end])

    def seconds(self, start: Mark, end: Mark) -> float | None:
        window = self.window(start, end)
        return None if window is None else round(window.seconds, 3)
