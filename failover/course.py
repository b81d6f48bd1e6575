"""An operation's records in words, for those who follow it and for those who read of it later. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from failover.journal import Entry, Event, Outcome, Record

_SAYS = {
    Event.DONE: "done",
    Event.MISSED: "MISSED",
    Event.REFUSED: "REFUSED",
    Event.UNDONE: "undone",
}
ENDS = {
    Outcome.DONE: "done",
    Outcome.INCOMPLETE: "through, but INCOMPLETE: look at the steps missed",
    Outcome.ROLLED_BACK: "rolled back: all is as it was",
}


def heading(entry: Entry) -> str:
    return f"{entry.id}: {entry.plan.title}, ordered by {entry.ordered_by} ({entry.reason})"


def narrate(entry: Entry, told: int = 0) -> Iterator[str]:
    """A line for each record after the first `told`, and one for the end."""
    for place, record in enumerate(entry.records[told:], told):
        if place and record.epoch != entry.records[place - 1].epoch:
            yield f"a successor goes on, under epoch {record.epoch}"
        yield f"{record.at - entry.records[0].at:6.2f} s  {_line(entry, place, record)}"
    if entry.outcome is not None:
        yield f"{entry.id}: {ENDS[entry.outcome]}"


def _line(entry: Entry, place: int, record: Record) -> str:
    if record.event is Event.ABORTED:
        return f"turns back: {record.evidence}"
    step = entry.plan.step(record.step)
    number = entry.plan.steps.index(step) + 1
    if record.event is Event.INTENT:
        return f"{number}. {step.says}"
    if record.event is Event.UNDO_INTENT:
        return f"{number}. takes back {step.name}: {record.evidence}"
    whose = "" if entry.records[place - 1].step == record.step else f"{record.step} "
    return f"   {whose}{_SAYS[record.event]} after {_took(entry, place):.2f} s: {record.evidence}"


def _took(entry: Entry, place: int) -> float:
    """Seconds since the record before, which began what this one ends."""
    return entry.records[place].at - entry.records[max(0, place - 1)].at
