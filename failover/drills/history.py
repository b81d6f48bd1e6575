"""The history file: reading, writing, merging, and grouping its events into operations.

The format is in docs/architecture.md, "The history (ledger) of a drill", with the optional keys of
docs/drills.md. A file that a killed writer left may end within a line; that rest is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from failover.drills.model import Attempt, Event, EventType, Operation, Outcome, ToldEvent

# Event's field for each key of a line; all others have the same name in both.
_FIELD_OF = {"f": "function", "k": "idempotency_key", "v": "marker", "key": "entity"}
_KEY_OF = {field: key for key, field in _FIELD_OF.items()}
_ENDINGS = {EventType.OK: Outcome.OK, EventType.FAIL: Outcome.FAIL, EventType.INFO: Outcome.INFO}


class HistoryError(ValueError):
    """A line is not an event; the text names file, line and fault."""


def parse(line: str) -> Event:
    """Return the event of one line; raise `HistoryError` when it is none. Unknown keys are ignored."""
    try:
        found = json.loads(line)
        known = {_FIELD_OF.get(key, key): value for key, value in found.items()}
        fields = {name: known[name] for name in Event.__slots__ if known.get(name) is not None}
        fields["type"] = EventType(fields["type"])
        fields["seen"] = tuple(fields.get("seen", ()))
        fields["told"] = tuple(_told(row) for row in fields.get("told", ()))
        return Event(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HistoryError(f"not an event: {line[:200]!r}: {error}") from error


def _told(row: Sequence[Any]) -> ToldEvent:
    position, id_, type_, entity, version, markers, *digest = row
    return ToldEvent(position, id_, type_, entity, version, tuple(markers), *digest)


def render(event: Event) -> str:
    """Return the event's line, without empty fields."""
    line: dict[str, Any] = {}
    for name in Event.__slots__:
        value = getattr(event, name)
        if value is not None and value != () and value is not False:
            line[_KEY_OF.get(name, name)] = [astuple(told) for told in value] if name == "told" else value
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a file in its order; raise `HistoryError` with file and line number."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return  # the writer was killed within this line: it was never a promise
            try:
                yield parse(line)
            except HistoryError as error:
                raise HistoryError(f"{path}:{number}: {error}") from error


def merge(parts: Iterable[Iterable[Event]]) -> list[Event]:
    """Return all events on the one clock, numbered anew."""
    ordered = sorted((event for part in parts for event in part), key=lambda event: (event.t_ns, event.i))
    return [replace(event, i=number) for number, event in enumerate(ordered, start=1)]


def write(path: Path, events: Iterable[Event]) -> None:
    """Write the events as a history file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(render(event) + "\n" for event in events)


class Recorder:
    """Appends events to a file, each one on disk as a line of its own before `record` returns.

    Unbuffered, so that what was recorded survives the recorder's own sudden end.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def record(self, event: Event) -> None:
        self._file.write(render(event).encode() + b"\n")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


class Tail:
    """Reads what another process appends to a history file, each call only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def fresh(self) -> list[Event]:
        """Return the events appended since the last call; none while the file does not exist."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            chunk = file.read()
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [parse(line) for line in whole.decode().split("\n")[:-1]]


def operations(events: Iterable[Event]) -> list[Operation]:
    """Group a client's events into operations, in the order of their first attempts.

    Raises `HistoryError` when a key ends twice or ends before it began: such a ledger proves nothing.
    """
    groups: dict[str, list[Event]] = {}
    for event in events:
        if event.type in (EventType.OBSERVE, EventType.FAULT) or event.idempotency_key is None:
            continue
        groups.setdefault(event.idempotency_key, []).append(event)
    return [_operation(key, group) for key, group in groups.items()]


def _operation(key: str, group: Sequence[Event]) -> Operation:
    first, ends = group[0], [event for event in group if event.type in _ENDINGS]
    if first.type is not EventType.INVOKE or len(ends) > 1 or (ends and ends[0] is not group[-1]):
        raise HistoryError(f"operation {key}: {', '.join(event.type for event in group)} is no life of one")
    end = ends[0] if ends else None
    last = end or group[-1]
    return Operation(
        proc=first.proc,
        function=first.function,
        key=key,
        marker=first.marker,
        entity=last.entity or first.entity,
        invoked_ns=first.t_ns,
        ended_ns=end.t_ns if end else None,
        outcome=_ENDINGS[end.type] if end else Outcome.INFO,
        attempts=tuple(_attempt(event, number) for number, event in enumerate(group[1:], start=1)),
        node=last.node,
        timeline=last.timeline,
        lsn=last.lsn,
        status=last.status,
        err=last.err,
        state=last.state,
        seen=last.seen,
        stale=last.stale,
        size=first.size or 1,
        after=last.after,
        reached=last.reached,
        told=last.told,
    )


def _attempt(event: Event, number: int) -> Attempt:
    return Attempt(
        number=event.attempt or number,
        started_ns=event.t_ns - (event.latency_ns or 0),
        ended_ns=event.t_ns,
        succeeded=event.type is EventType.OK,
        route=event.route,
        status=event.status,
        err=event.err,
    )
