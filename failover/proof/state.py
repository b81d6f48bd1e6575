"""The state of a small abstract world: three database hosts, /sync, the leader key, and one order in flight.

Hosts 0 and 1 stand in dc1 (0 is primary at first), host 2 in dc2.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from failover.proof.scenery import Health, Scene, estate
from failover.verbs import Instruction, Verb

HOSTS = ("dc1-db1", "dc1-db2", "dc2-db1")
SITES = ("dc1", "dc1", "dc2")
NOBODY: frozenset[int] = frozenset()
LAYOUT = estate()


class Role(Enum):
    PRIMARY = "primary"
    STANDBY = "standby"
    DOWN = "down"


class Host(NamedTuple):
    """One database host.

    `log`: writes in the order they arrived. `names`: whom a primary's commits wait for. `agreed`: the members
    it last wrote into /sync, and `known` the version of /sync it last read or wrote.
    """

    health: Health
    role: Role
    timeline: int
    log: tuple[int, ...]
    follows: int
    names: frozenset[int]
    agreed: frozenset[int]
    known: int


class State(NamedTuple):
    """Everything. `late`: writes given to an old primary while a newer one was there already."""

    hosts: tuple[Host, ...]
    cuts: frozenset[tuple[str, str]]
    leader: int | None
    session: int
    sync: frozenset[int]
    sync_leader: int
    version: int
    timeline: int
    pending: tuple[Instruction, ...]
    acknowledged: frozenset[int]
    late: frozenset[int]
    writes_left: int
    faults_left: int


Step = tuple[str, State]


def start(writes: int, faults: int) -> State:
    """All is well: host 0 is primary, both others are synchronous."""
    both = frozenset({1, 2})
    primary = Host(Health.ON, Role.PRIMARY, 0, (), 0, both, both, 0)
    standby = Host(Health.ON, Role.STANDBY, 0, (), 0, NOBODY, NOBODY, -1)
    hosts = (primary, standby, standby)
    return State(hosts, frozenset(), 0, 0, both, 0, 0, 0, (), NOBODY, NOBODY, writes, faults)


def canonical(state: State) -> State:
    """The same state with everything forgotten that cannot matter: counters are only ever compared.

    Versions and sessions become 0 if current and -1 if not, timelines their rank, and what only a primary
    uses is dropped from the others.
    """
    ranks = {timeline: rank for rank, timeline in enumerate(sorted({host.timeline for host in state.hosts}))}
    top = max(ranks.values())
    return state._replace(
        hosts=tuple(_plain(host, ranks[host.timeline], state.version) for host in state.hosts),
        pending=tuple(_pinned(order, state) for order in state.pending),
        session=0,
        version=0,
        timeline=ranks.get(state.timeline, top),
    )


def _plain(host: Host, timeline: int, version: int) -> Host:
    if host.role is Role.PRIMARY:
        return host._replace(timeline=timeline, known=0 if host.known == version else -1)
    log = () if host.role is Role.DOWN else host.log
    return Host(host.health, host.role, timeline, log, host.follows, NOBODY, NOBODY, -1)


def _pinned(order: Instruction, state: State) -> Instruction:
    if order.verb is not Verb.RELEASE_LEADER_KEY:
        return order
    arguments = dict(order.arguments)
    arguments["session"] = 0 if order.number("session") == state.session else -1
    arguments["sync_version"] = 0 if order.number("sync_version") == state.version else -1
    return Instruction.of(order.verb, **arguments)


def put(state: State, number: int, host: Host) -> State:
    hosts = state.hosts
    return state._replace(hosts=(*hosts[:number], host, *hosts[number + 1 :]))


def connected(state: State, one: int, other: int) -> bool:
    return one == other or not {(SITES[one], SITES[other]), (SITES[other], SITES[one])} & state.cuts


@lru_cache(maxsize=4096)
def _has_quorum(cuts: frozenset[tuple[str, str]], site: str) -> bool:
    """With every server alive: power cuts of dc1 leave the majority to the others anyway."""
    return Scene(layout=LAYOUT, cuts=cuts).has_quorum(site)


def quorum(state: State, number: int) -> bool:
    return _has_quorum(state.cuts, SITES[number])


def works(state: State, number: int) -> bool:
    return state.hosts[number].health is Health.ON


def dead(host: Host) -> Host:
    return host._replace(health=Health.OFF, role=Role.DOWN)


def promoted(state: State, number: int) -> State:
    """The host takes the key, makes /sync its own and empty, and then becomes primary."""
    host, version, timeline = state.hosts[number], state.version + 1, state.timeline + 1
    primary = Host(Health.ON, Role.PRIMARY, timeline, host.log, number, NOBODY, NOBODY, version)
    taken = state._replace(
        leader=number,
        session=state.session + 1,
        sync=NOBODY,
        sync_leader=number,
        version=version,
        timeline=timeline,
    )
    return put(taken, number, primary)
