"""Per-request linearizability of register, take, close and reads of the state.

Each request is a small state machine of its own, so each is checked alone; histories of one request
are a handful of operations, and the search of Wing and Gong over the possible orders is cheap.
Source: J. Wing, C. Gong, "Testing and Verifying Concurrent Objects", 1993; the memo of visited
(done, state) pairs is from G. Lowe, "Testing for linearizability", 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from failover.drills.model import Operation, Outcome

ABSENT = "absent"

# The state that each transition needs, and the one that it leaves: the contract of the requests' API.
TRANSITIONS: dict[str, tuple[frozenset[str], str]] = {
    "request": (frozenset({ABSENT}), "new"),
    "take": (frozenset({"new"}), "in_progress"),
    "close": (frozenset({"in_progress"}), "closed"),
}
READS = frozenset({"get_request"})
# Refusals that speak of the request's state; others (bad input, no rights) say nothing about it.
STATE_REFUSALS = frozenset({404, 409})

NEVER_NS = 2**63


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation as the search sees it. `optional` steps may also never have happened."""

    operation: Operation
    start_ns: int
    end_ns: int
    optional: bool

    def apply(self, state: str) -> str | None:
        """Return the state after this step, or None when its answer contradicts `state`."""
        function = self.operation.function
        if function in READS:
            return state if self.operation.state == state else None
        needed, left = TRANSITIONS[function]
        if self.operation.outcome is Outcome.FAIL:
            return state if state not in needed else None
        return left if state in needed else None


def unlinearizable_entities(operations: Iterable[Operation]) -> Iterator[tuple[str, tuple[Operation, ...]]]:
    """Yield each request, with its operations, whose answers no order of transitions explains."""
    by_entity: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation.entity is not None and _is_relevant(operation):
            by_entity.setdefault(operation.entity, []).append(operation)
    for entity, history in by_entity.items():
        if not is_linearizable(history):
            yield entity, tuple(sorted(history, key=lambda operation: operation.invoked_ns))


def is_linearizable(history: Sequence[Operation]) -> bool:
    """Tell whether one request's operations, starting from its absence, have a legal order."""
    steps = tuple(_step(operation) for operation in history)
    return _search(steps, frozenset(range(len(steps))), ABSENT, set())


def _is_relevant(operation: Operation) -> bool:
    """Leave out what says nothing: stale reads (only monotonic within a session), unanswered reads."""
    if operation.function in READS:
        return operation.outcome is Outcome.OK and not operation.stale and operation.state is not None
    if operation.function not in TRANSITIONS:
        return False
    return operation.outcome is not Outcome.FAIL or operation.status in STATE_REFUSALS


def _step(operation: Operation) -> _Step:
    unknown = operation.outcome is Outcome.INFO
    end = NEVER_NS if unknown or operation.ended_ns is None else operation.ended_ns
    return _Step(operation, operation.invoked_ns, end, optional=unknown)


def _search(
    steps: Sequence[_Step], left: frozenset[int], state: str, visited: set[tuple[frozenset[int], str]]
) -> bool:
    """Try every step that may come next: one that began before every other left has ended."""
    if all(steps[index].optional for index in left):
        return True
    if (left, state) in visited:
        return False
    visited.add((left, state))
    horizon = min(steps[index].end_ns for index in left)
    for index in left:
        if steps[index].start_ns > horizon:
            continue
        after = steps[index].apply(state)
        if after is not None and _search(steps, left - {index}, after, visited):
            return True
    return False
