"""The client's ledger: one line of history for each event of each operation, on disk before it counts.

The format is in docs/architecture.md, "The history (ledger) of a drill"; the optional keys
`latency_ns`, `seen`, `state`, `stale`, `after`, `reached` and `told` are described in docs/drills.md, as are
the lines of deliveries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

from loadtests.policy import Answer

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# One line of the history before it is JSON.
Line = dict[str, object]


def of_batch(marker: str, size: int) -> tuple[str, ...]:
    """Return the ids of a batch: its marker for the first, ``<marker>:<number>`` for each other."""
    return (marker, *(f"{marker}:{number}" for number in range(1, size)))


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a user wants done, as the ledger names it.

    `marker` is what the API stores, None for a read; `key` is the Idempotency-Key, and for a read only
    the ledger's own name for it. `entity` is what it is done to, None while that has no id yet. `size` is
    how many card transactions a batch has, 1 for everything else.
    """

    proc: str
    function: str
    key: str
    marker: str | None
    entity: str | None
    stale: bool = False
    size: int = 1

    @property
    def markers(self) -> tuple[str, ...]:
        """Return what the API stores of this write, none for a read: each of a batch's has its own."""
        if self.marker is None:
            return ()
        return of_batch(self.marker, self.size)


@dataclass(frozen=True, slots=True)
class Told:
    """One event as the feed or a webhook told it.

    `position` is its place in the feed, which a webhook does not tell. `markers` are those of the writes that
    it stands for, often none; `digest` is of all that the event says.
    """

    position: int | None
    id: str
    type: str
    entity: str
    version: int | None
    markers: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One arrival of an event at the receiver: the how-manyth of this event, and what it did with it.

    `state` is `taken` or `refused`; `status` is what it answered, None where it broke the connection off.
    `fault` says why the delivery is no genuine one; `told` is then whatever could be read of it.
    """

    webhook_id: str
    attempt: int
    state: str
    status: int | None
    fault: str | None
    told: Told | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a successful answer told beyond its headers; a page of the feed: from where to where, and what."""

    entity: str | None = None
    state: str | None = None
    seen: tuple[str, ...] = ()
    after: int | None = None
    reached: int | None = None
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: its number (from 1), the entry it went to, and the nanoseconds that it took."""

    number: int
    route: str
    latency_ns: int
    answer: Answer


class Listener(Protocol):
    """Someone who counts along; see `summary.Summary`."""

    def attempt(self, operation: Operation, attempt: Attempt, *, succeeded: bool) -> None: ...

    def ended(self, operation: Operation, outcome: str, duration_ns: int, reason: str | None) -> None: ...


class Ledger:
    """Appends to the history file, unbuffered: what is in it survives the sudden end of this process."""

    def __init__(self, path: Path, run_id: str, listeners: Iterable[Listener] = ()) -> None:
        self.run_id = run_id
        self._file = path.open("ab", buffering=0)
        self._listeners = tuple(listeners)
        self._lines = 0
        self._operations: dict[str, int] = {}

    def begin(
        self,
        proc: str,
        function: str,
        *,
        entity: str | None = None,
        write: bool,
        stale: bool = False,
        size: int = 1,
    ) -> Operation:
        """Return a new operation; its key ``<run>:<proc>:<n>`` is unique in the run.

        Nothing is written yet: the marker has to go into the request first. Call `invoke` before sending.
        """
        number = self._operations.get(proc, 0) + 1
        self._operations[proc] = number
        key = f"{self.run_id}:{proc}:{number}"
        return Operation(proc, function, key, key if write else None, entity, stale, size)

    def invoke(self, operation: Operation, route: str) -> int:
        """Write that the first attempt begins now; return that instant in monotonic nanoseconds."""
        now = time.monotonic_ns()
        size = {"size": operation.size} if operation.size > 1 else {}
        self._write(now, "invoke", operation, {"route": route, "attempt": 1, **size})
        return now

    def retry(self, operation: Operation, attempt: Attempt) -> None:
        """Write an attempt that left the operation open."""
        self._write(time.monotonic_ns(), "retry", operation, _told(attempt))
        self._tell_attempt(operation, attempt, succeeded=False)

    def ok(self, operation: Operation, attempt: Attempt, invoked_ns: int, facts: Facts) -> None:
        """Write that the operation is done."""
        found: Line = {
            "key": facts.entity,
            "state": facts.state,
            "seen": list(facts.seen) or None,
            "after": facts.after,
            "reached": facts.reached,
            # Rows without names: a drill is told of thousands of writes.
            "told": [astuple(event) for event in facts.told] or None,
        }
        self._end("ok", operation, attempt, invoked_ns, _present(found), succeeded=True)

    def fail(self, operation: Operation, attempt: Attempt, invoked_ns: int) -> None:
        """Write that the operation certainly did not happen, and never will."""
        self._end("fail", operation, attempt, invoked_ns, {}, succeeded=False)

    def info(self, operation: Operation, attempt: Attempt, invoked_ns: int, reason: str) -> None:
        """Write that the client does not know, and stopped asking; `reason` says why it stopped."""
        self._end("info", operation, attempt, invoked_ns, {"err": reason}, succeeded=False, reason=reason)

    def mark_end_of_load(self) -> None:
        """Write the drill's mark that the users are gone; a follower of the feed may still read on."""
        mark: Line = {"type": "observe", "proc": "drill", "f": "mark", "key": "load-stopped"}
        self._append({"t_ns": time.monotonic_ns(), **mark})

    def delivery(self, found: Delivery) -> None:
        """Write what arrived at the receiver; on disk before the sender has its answer."""
        line: Line = {
            "k": found.webhook_id,
            "attempt": found.attempt,
            "state": found.state,
            "status": found.status,
            "err": found.fault,
            "told": [astuple(found.told)] if found.told else None,
        }
        kind: Line = {"type": "observe", "proc": "receiver", "f": "delivery"}
        self._append({"t_ns": time.monotonic_ns(), **kind, **_present(line)})

    def close(self) -> None:
        self._file.close()

    def _end(
        self,
        kind: str,
        operation: Operation,
        attempt: Attempt,
        invoked_ns: int,
        extra: Line,
        *,
        succeeded: bool,
        reason: str | None = None,
    ) -> None:
        now = time.monotonic_ns()
        self._write(now, kind, operation, {**_told(attempt), **extra})
        self._tell_attempt(operation, attempt, succeeded=succeeded)
        for listener in self._listeners:
            listener.ended(operation, kind, now - invoked_ns, reason)

    def _tell_attempt(self, operation: Operation, attempt: Attempt, *, succeeded: bool) -> None:
        for listener in self._listeners:
            listener.attempt(operation, attempt, succeeded=succeeded)

    def _write(self, now: int, kind: str, operation: Operation, more: Line) -> None:
        line: Line = {
            "t_ns": now,
            "proc": operation.proc,
            "type": kind,
            "f": operation.function,
            "k": operation.key,
        }
        if operation.marker is not None:
            line["v"] = operation.marker
        if operation.entity is not None:
            line["key"] = operation.entity
        if operation.stale:
            line["stale"] = True
        self._append({**line, **more})

    def _append(self, line: Line) -> None:
        self._lines += 1
        self._file.write(ENCODER.encode({"i": self._lines, **line}).encode() + b"\n")


def _told(attempt: Attempt) -> Line:
    """Return what an attempt's answer told, without what it did not."""
    headers, answer = attempt.answer.headers, attempt.answer
    timeline = headers.get("twinsite-timeline", "")
    told: Line = {
        "route": attempt.route,
        "attempt": attempt.number,
        "latency_ns": attempt.latency_ns,
        "status": answer.status,
        "err": answer.err or answer.code,
        "node": headers.get("twinsite-node"),
        "timeline": int(timeline) if timeline.isdigit() else None,
        "lsn": headers.get("twinsite-lsn"),
    }
    return _present(told)


def _present(found: Line) -> Line:
    return {name: value for name, value in found.items() if value is not None}
