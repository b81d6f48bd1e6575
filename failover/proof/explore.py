"""Explores the abstract world exhaustively within bounds, and shows the way to a violation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from failover.proof.abstract import steps
from failover.proof.orchestrated import Rules
from failover.proof.state import Role, State, canonical, start


@dataclass(frozen=True)
class Result:
    """How many states were seen, and the shortest way to a violation, if there is one."""

    states: int
    violation: str | None = None
    trace: tuple[str, ...] = ()


def explore(rules: Rules, *, writes: int, faults: int, limit: int = 1_000_000) -> Result:
    """Breadth first, so that a trace is a shortest one.

    Raises:
        OverflowError: more than `limit` states: the bounds are too wide, nothing is proven.
    """
    first = canonical(start(writes, faults))
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    queue = deque([first])
    while queue:
        state = queue.popleft()
        for name, reached in steps(state, rules):
            after = canonical(reached)
            if after in came_from:
                continue
            came_from[after] = (state, name)
            if wrong := violation(after):
                return Result(len(came_from), wrong, _trace(came_from, after))
            queue.append(after)
        if len(came_from) > limit:
            raise OverflowError(f"more than {limit} states")
    return Result(len(came_from))


def violation(state: State) -> str | None:
    """What must never be."""
    if late := state.late & state.acknowledged:
        return f"two acknowledging writers: {set(late)} was written to an old primary and acknowledged"
    if state.leader is not None:
        holder = state.hosts[state.leader]
        lost = state.acknowledged - set(holder.log)
        if holder.role is Role.PRIMARY and lost:
            return f"acknowledged write {set(lost)} is not on the primary, host {state.leader}"
    return None


def _trace(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names: list[str] = []
    while (step := came_from[state]) is not None:
        state, name = step
        names.append(name)
    return tuple(reversed(names))
