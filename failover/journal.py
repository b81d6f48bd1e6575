"""The journal of operations: what was meant, done and undone, by whom and under which epoch.

What to do next follows from the records alone (`next_move`): a successor needs nothing its predecessor knew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from failover.plan import Plan, Step, plan_from_json, plan_to_json
from failover.verbs import Arguments


class Event(StrEnum):
    """What a record states. INTENT comes before an effect, DONE after its check held.

    REFUSED: it cannot be done, go back. MISSED: it could not be done or undone in time, go on all the same.
    """

    INTENT = "intent"
    DONE = "done"
    MISSED = "missed"
    REFUSED = "refused"
    ABORTED = "aborted"
    UNDO_INTENT = "undo-intent"
    UNDONE = "undone"


class Outcome(StrEnum):
    """How an operation ended. INCOMPLETE: through, with steps missed; an operator must look."""

    DONE = "done"
    INCOMPLETE = "incomplete"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True)
class Record:
    """One line of the journal. `at`: seconds since 1970 on the writer's clock, for reading only."""

    event: Event
    step: str
    evidence: str
    epoch: int
    at: float


@dataclass(frozen=True)
class Entry:
    """An operation with everything that happened to it. `arguments`: what was ordered, to order it again."""

    id: str
    plan: Plan
    ordered_by: str
    reason: str
    records: tuple[Record, ...] = ()
    outcome: Outcome | None = None
    arguments: Arguments = ()

    def events(self, step: str) -> frozenset[Event]:
        return frozenset(record.event for record in self.records if record.step == step)

    def with_record(self, record: Record) -> Entry:
        return replace(self, records=(*self.records, record))

    @property
    def committed(self) -> bool:
        """The intent of a step without return was recorded, and its effect not certainly refused."""
        events = (self.events(step.name) for step in self.plan.steps if step.commits)
        return any(Event.INTENT in each and Event.REFUSED not in each for each in events)

    @property
    def turned_back(self) -> bool:
        return any(record.event in (Event.REFUSED, Event.ABORTED) for record in self.records)


class JournalError(RuntimeError):
    """The journal did not take a record."""


class DeposedError(JournalError):
    """A higher epoch exists: whoever gets this is no longer the orchestrator and must touch nothing."""


class OperationRunningError(JournalError):
    """Another operation is under way."""

    def __init__(self, running: Entry) -> None:
        self.running = running
        super().__init__(
            f"{running.id} ({running.plan.title}), ordered by {running.ordered_by}, is under way"
        )


class JournalStore(Protocol):
    """Where entries live. Every write is refused with DeposedError once a higher epoch exists."""

    def open(self, entry: Entry) -> None:
        """Raises OperationRunningError if another one is open."""

    def save(self, entry: Entry) -> None:
        """Replaces the stored entry; `entry.outcome` set closes it."""

    def current(self) -> Entry | None:
        """The open entry."""

    def entries(self) -> tuple[Entry, ...]:
        """All of them, oldest first."""


# --- what comes next: pure --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Do:
    step: Step


@dataclass(frozen=True)
class Undo:
    step: Step


@dataclass(frozen=True)
class Finish:
    outcome: Outcome


Move = Do | Undo | Finish
SETTLED = frozenset({Event.DONE, Event.MISSED})


def next_move(entry: Entry) -> Move:
    """Forward through the first step that is not settled; or back through the last that was begun."""
    return _backward(entry) if entry.turned_back and not entry.committed else _forward(entry)


def _forward(entry: Entry) -> Move:
    for step in entry.plan.steps:
        if not entry.events(step.name) & SETTLED:
            return Do(step)
    missed = [step for step in entry.plan.steps if Event.MISSED in entry.events(step.name)]
    lacking = [step for step in missed if not _reached_later(entry, step)]
    return Finish(Outcome.INCOMPLETE if lacking else Outcome.DONE)


def _reached_later(entry: Entry, missed: Step) -> bool:
    """A later step had the same purpose, and reached it: a rebuild after a rewind that stuck."""
    later = entry.plan.steps[entry.plan.steps.index(missed) + 1 :]
    return any(step.check == missed.check and Event.DONE in entry.events(step.name) for step in later)


def _backward(entry: Entry) -> Move:
    for step in reversed(entry.plan.steps):
        events = entry.events(step.name)
        if Event.INTENT in events and Event.UNDONE not in events:
            return Undo(step)
    missed = any(record.event is Event.MISSED for record in entry.records)
    return Finish(Outcome.INCOMPLETE if missed else Outcome.ROLLED_BACK)


# --- as JSON ----------------------------------------------------------------------------------------------


def entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "version": 1,
        "id": entry.id,
        "plan": plan_to_json(entry.plan),
        "ordered_by": entry.ordered_by,
        "reason": entry.reason,
        "records": [[str(r.event), r.step, r.evidence, r.epoch, r.at] for r in entry.records],
        "outcome": str(entry.outcome) if entry.outcome else None,
        "arguments": dict(entry.arguments),
    }


def entry_from_json(raw: dict[str, Any]) -> Entry:
    if raw["version"] != 1:
        raise JournalError(f"journal entry has version {raw['version']}, this program reads 1")
    return Entry(
        id=raw["id"],
        plan=plan_from_json(raw["plan"]),
        ordered_by=raw["ordered_by"],
        reason=raw["reason"],
        records=tuple(Record(Event(event), *rest) for event, *rest in raw["records"]),
        outcome=Outcome(raw["outcome"]) if raw["outcome"] else None,
        arguments=tuple(sorted(raw.get("arguments", {}).items())),
    )
