"""Our orchestrator in the abstract world: the real diagnosis, decision and table on what is seen there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from failover.decide import History, Policy, decide
from failover.diagnosis import diagnose
from failover.proof.scenery import Health, Scene, picture
from failover.proof.state import HOSTS, LAYOUT, Role, State, Step, dead, promoted, put, works
from failover.transitions import TABLE, Row
from failover.verbs import Instruction, Verb

HELD_LONG_S = 1e6


@dataclass(frozen=True)
class Rules:
    """What is varied between explorations.

    `fences`: the driver really cuts the power; otherwise it does nothing at all. `only_sync_members`: Patroni
    promotes members of /sync only (off: asynchronous mode). `recreates_key`: Patroni re-creates the key
    without a condition after its session changed, the known hole.
    """

    table: tuple[Row, ...] = TABLE
    fences: bool = False
    only_sync_members: bool = True
    recreates_key: bool = False


def orchestrator(state: State, rules: Rules) -> Iterator[Step]:
    """Decides on what is seen now; each effect comes at any later time, whatever has happened by then."""
    if state.pending:
        first, *rest = state.pending
        after = _effect(state, first, rules)
        yield str(first), state._replace(pending=()) if after is None else after._replace(pending=tuple(rest))
        return
    instructions = _decide(_visible(state), rules.table)
    if instructions:
        names = ", ".join(each.verb for each in instructions)
        yield f"the orchestrator decides: {names}", state._replace(pending=instructions)


class _Visible(NamedTuple):
    """What observers can tell of a state."""

    hosts: tuple[tuple[Health, Role], ...]
    cuts: frozenset[tuple[str, str]]
    leader: int | None
    session: int
    sync: frozenset[int]
    version: int


def _visible(state: State) -> _Visible:
    hosts = tuple((host.health, host.role) for host in state.hosts)
    return _Visible(hosts, state.cuts, state.leader, state.session, state.sync, state.version)


def _scene(seen: _Visible) -> Scene:
    health = {HOSTS[n]: _shown(*host) for n, host in enumerate(seen.hosts)}
    if all(state is Health.OFF for state, _ in seen.hosts[:2]):
        health |= dict.fromkeys(("dc1-app1", "dc1-app2"), Health.OFF)
    return Scene(
        layout=LAYOUT,
        health=health,
        cuts=frozenset((*seen.cuts, *((b, a) for a, b in seen.cuts))),
        leader=None if seen.leader is None else HOSTS[seen.leader],
        session=seen.session,
        sync=frozenset(HOSTS[number] for number in seen.sync),
        sync_version=seen.version,
        primaries=frozenset(HOSTS[n] for n, (_, role) in enumerate(seen.hosts) if role is Role.PRIMARY),
    )


def _shown(health: Health, role: Role) -> Health:
    return Health.POSTGRES_DOWN if role is Role.DOWN and health is Health.ON else health


@lru_cache(maxsize=200_000)
def _decide(seen: _Visible, table: tuple[Row, ...]) -> tuple[Instruction, ...]:
    """The real diagnosis and the real decision, with all patience exhausted and no limit on their number."""
    world = picture(_scene(seen))
    diagnosis = diagnose(world)
    held = {(finding.condition, finding.subject): HELD_LONG_S for finding in diagnosis.findings}
    act = decide(world, diagnosis, History(held), Policy(anti_flap_s=0), table).act
    return act.instructions if act else ()


def _effect(state: State, order: Instruction, rules: Rules) -> State | None:
    """The state after an effect; None if it was refused, which ends the operation."""
    if order.verb is Verb.FENCE and rules.fences:
        number = HOSTS.index(order.text("host"))
        return put(state, number, dead(state.hosts[number]))
    if order.verb is Verb.RELEASE_LEADER_KEY:
        same = state.leader == HOSTS.index(order.text("leader")) and state.session == order.number("session")
        pinned = same and state.version == order.number("sync_version")
        return state._replace(leader=None) if pinned else None
    if order.verb is Verb.FORCE_FAILOVER:
        # No row of the real table says this. Patroni's manual failover without a leader ignores /sync.
        return promoted(state, 2) if state.hosts[2].role is Role.STANDBY and works(state, 2) else None
    return state
