"""Everything that may happen in the abstract world.

There is no time: whatever may happen, may happen in any order, and whatever may take long, may take
for ever. So a proof here needs no timeout to be right.

Patroni's part follows its source (decision 0401): /sync is changed by compare-and-set only; a promotion
takes the key and resets /sync first; a primary removes a standby from /sync before it stops waiting for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from failover.proof.orchestrated import Rules, orchestrator
from failover.proof.scenery import Health
from failover.proof.state import (
    HOSTS,
    NOBODY,
    Host,
    Role,
    State,
    Step,
    connected,
    dead,
    promoted,
    put,
    quorum,
    works,
)


def steps(state: State, rules: Rules) -> Iterator[Step]:
    """Everything that may happen next."""
    yield from _faults(state)
    for number in range(len(HOSTS)):
        if state.hosts[number].health is Health.ON:
            yield from _clients(state, number)
            yield from _replication(state, number)
            yield from _patroni(state, number, rules)
    yield from _lease(state)
    yield from orchestrator(state, rules)


# --- faults ----------------------------------------------------------------------------------------------


def _faults(state: State) -> Iterator[Step]:
    for number, host in enumerate(state.hosts):
        if host.health is Health.FROZEN:
            yield f"host {number} thaws", put(state, number, host._replace(health=Health.ON))
    for pair in sorted(state.cuts):
        yield f"link {pair} heals", state._replace(cuts=state.cuts - {pair})
    if state.faults_left == 0:
        return
    worse = state._replace(faults_left=state.faults_left - 1)
    for number, host in enumerate(state.hosts):
        if host.health is Health.ON:
            yield f"host {number} freezes", put(worse, number, host._replace(health=Health.FROZEN))
            yield f"host {number} loses power", put(worse, number, dead(host))
    for pair in (("dc1", "dc2"), ("dc1", "wit"), ("dc2", "wit")):
        if pair not in state.cuts:
            yield f"link {pair} is cut", worse._replace(cuts=state.cuts | {pair})
    yield "dc1 is isolated", worse._replace(cuts=state.cuts | {("dc1", "dc2"), ("dc1", "wit")})
    yield "dc1 loses power", put(put(worse, 0, dead(state.hosts[0])), 1, dead(state.hosts[1]))


# --- clients and replication -----------------------------------------------------------------------------


def _clients(state: State, number: int) -> Iterator[Step]:
    """Any client may reach any primary: no routing is trusted."""
    host = state.hosts[number]
    if host.role is not Role.PRIMARY:
        return
    if state.writes_left:
        write = state.writes_left
        newer = any(other.role is Role.PRIMARY and other.timeline > host.timeline for other in state.hosts)
        written = put(state, number, host._replace(log=(*host.log, write)))
        late = state.late | {write} if newer else state.late
        yield f"host {number} gets write {write}", written._replace(writes_left=write - 1, late=late)
    for write in host.log:
        if write not in state.acknowledged and all(write in state.hosts[name].log for name in host.names):
            yield (
                f"host {number} acknowledges write {write}",
                state._replace(acknowledged=state.acknowledged | {write}),
            )


def _replication(state: State, number: int) -> Iterator[Step]:
    """A living primary sends all it has to a living standby that follows it."""
    source = state.hosts[number]
    if source.role is not Role.PRIMARY:
        return
    for other, standby in enumerate(state.hosts):
        if _attached(state, number, other) and standby.log != source.log:
            yield f"host {other} receives from {number}", put(state, other, standby._replace(log=source.log))


def _attached(state: State, source: int, other: int) -> bool:
    standby = state.hosts[other]
    follows = other != source and standby.role is Role.STANDBY and standby.follows == source
    prefix = state.hosts[source].log[: len(standby.log)] == standby.log
    return follows and prefix and works(state, other) and connected(state, source, other)


# --- Patroni ---------------------------------------------------------------------------------------------


def _patroni(state: State, number: int, rules: Rules) -> Iterator[Step]:
    host = state.hosts[number]
    if host.role is Role.PRIMARY:
        yield from _primary_duties(state, number)
        yield from _stepping_down(state, number, rules)
    elif quorum(state, number):
        yield from _standby_duties(state, number, rules)


def _primary_duties(state: State, number: int) -> Iterator[Step]:
    """Keeps /sync and its own waiting list, each by its rule; needs only to believe itself primary."""
    host = state.hosts[number]
    if host.names != host.agreed and not host.agreed - host.names:
        yield (
            f"host {number} waits for {set(host.agreed)}",
            put(state, number, host._replace(names=host.agreed)),
        )
    if not quorum(state, number):
        return
    if state.leader == number and host.known != state.version:
        read = host._replace(
            known=state.version, agreed=state.sync if state.sync_leader == number else NOBODY
        )
        yield f"host {number} reads /sync", put(state, number, read)
    if host.known != state.version:
        return
    for other in range(len(HOSTS)):
        attached = _attached(state, number, other)
        if other in host.agreed and not attached:
            yield _write_sync(state, number, host, host.agreed - {other})
        elif attached and other not in host.names:
            wider = host._replace(names=host.names | {other})
            yield f"host {number} also waits for {other}", put(state, number, wider)
        elif attached and other not in host.agreed and state.hosts[other].log == host.log:
            yield _write_sync(state, number, host, host.agreed | {other})


def _write_sync(state: State, number: int, host: Host, members: frozenset[int]) -> Step:
    version = state.version + 1
    written = state._replace(sync=members, sync_leader=number, version=version)
    return (
        f"host {number} writes {set(members)} to /sync",
        put(written, number, host._replace(agreed=members, known=version)),
    )


def _stepping_down(state: State, number: int, rules: Rules) -> Iterator[Step]:
    host = state.hosts[number]
    down = put(state, number, host._replace(role=Role.DOWN))
    if not quorum(state, number):
        yield f"host {number} steps down without ZooKeeper", down
    elif state.leader is None and host.timeline >= state.timeline:
        yield f"host {number} takes the key again", state._replace(leader=number, session=state.session + 1)
    elif state.leader not in (None, number):
        yield f"host {number} steps down: {state.leader} has the key", down
        if rules.recreates_key:
            yield (
                f"host {number} re-creates the key",
                state._replace(leader=number, session=state.session + 1),
            )


def _standby_duties(state: State, number: int, rules: Rules) -> Iterator[Step]:
    host = state.hosts[number]
    eligible = number in state.sync or not rules.only_sync_members
    if host.role is Role.STANDBY and state.leader is None and eligible:
        yield f"host {number} is promoted", promoted(state, number)
    leader = state.leader
    if leader is None or leader == number or state.hosts[leader].role is not Role.PRIMARY:
        return
    source = state.hosts[leader]
    away = host.role is Role.DOWN or host.follows != leader
    if away and works(state, leader) and connected(state, number, leader):
        joined = host._replace(role=Role.STANDBY, timeline=source.timeline, log=source.log, follows=leader)
        yield f"host {number} is rewound and follows {leader}", put(state, number, joined)


def _lease(state: State) -> Iterator[Step]:
    """The key of a host that does not reach ZooKeeper may go at any time."""
    leader = state.leader
    if leader is not None and not (works(state, leader) and quorum(state, leader)):
        yield f"the lease of host {leader} ends", state._replace(leader=None)
