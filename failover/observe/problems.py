"""What is wrong with an estate as observed: pure, one function a subject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from failover.model import (
    ApplicationView,
    DatabaseState,
    DatabaseView,
    EstateView,
    PatroniMember,
    Role,
    Serves,
    Unreachable,
    ZooKeeperState,
)

# Two synchronous standbys over 2+2 nodes: of any two, one is in the other site (docs/decisions).
SYNCHRONOUS_STANDBYS = 2
# A standby further behind than this is not ready to take over at once.
LAG_LIMIT_BYTES = 16 * 1024 * 1024
# The backend of each application host's HAProxy that follows Patroni's /primary.
PRIMARY_BACKEND = "primary"


class Severity(StrEnum):
    """How bad: `critical` means that clients suffer, or that a further loss would cost data or service."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `code` is stable, for programs; `text` is for people."""

    severity: Severity
    code: str
    subject: str
    text: str


class Health(IntEnum):
    """The estate in one word; its value is the exit status of `twinsite status`."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2


def health(view: EstateView) -> Health:
    """Down means that nothing whatsoever answered."""
    if _silent(view):
        return Health.DOWN
    return Health.DEGRADED if problems(view) else Health.HEALTHY


def problems(view: EstateView) -> tuple[Problem, ...]:
    """Everything that is wrong, the worst first."""
    found = [
        *_writers(view),
        *_leader_key(view),
        *_synchronous_set(view),
        *(problem for database in view.databases for problem in _database(database, view)),
        *_ensemble(view),
        *(problem for application in view.applications for problem in _application(application)),
        *_entries(view),
    ]
    return tuple(sorted(found, key=lambda problem: problem.severity is not Severity.CRITICAL))


def _critical(code: str, subject: str, text: str) -> Problem:
    return Problem(Severity.CRITICAL, code, subject, text)


def _warning(code: str, subject: str, text: str) -> Problem:
    return Problem(Severity.WARNING, code, subject, text)


def _silent(view: EstateView) -> bool:
    answers = (
        *(database.patroni for database in view.databases),
        *(database.postgres for database in view.databases),
        *(zookeeper.state for zookeeper in view.zookeepers),
        *(application.api for application in view.applications),
        *(application.proxy for application in view.applications),
        *(entry.api for entry in view.entries),
    )
    return all(isinstance(answer, Unreachable) for answer in answers)


def _writers(view: EstateView) -> Iterator[Problem]:
    writers = [database.node.name for database in view.primaries]
    if not writers:
        yield _critical("no-primary", "cluster", "no PostgreSQL accepts writes")
    if len(writers) > 1:
        yield _critical("several-primaries", "cluster", f"{', '.join(writers)} all accept writes")


def _leader_key(view: EstateView) -> Iterator[Problem]:
    keys = view.coordination
    if isinstance(keys, Unreachable):
        yield _critical("coordination-unreachable", "zookeeper", f"Patroni's keys: {keys.reason}")
        return
    if keys.leader is None:
        yield _critical("leader-key-missing", "cluster", "nobody holds the leader key")
    elif view.primaries and keys.leader.name not in {each.node.name for each in view.primaries}:
        named = ", ".join(each.node.name for each in view.primaries)
        text = f"{keys.leader.name} holds the key, {named} accepts writes"
        yield _critical("leader-key-mismatch", "cluster", text)
    if keys.paused:
        yield _warning("patroni-paused", "cluster", "Patroni is in maintenance mode: no failover will happen")


def _synchronous_set(view: EstateView) -> Iterator[Problem]:
    primary = view.primary
    if primary is None:
        return
    names = primary.synchronous_standbys
    if len(names) < SYNCHRONOUS_STANDBYS:
        listed = ", ".join(names) or "none"
        text = f"{len(names)} of {SYNCHRONOUS_STANDBYS} synchronous standbys: {listed}"
        yield _warning("synchronous-set-short", "cluster", text)
    sites = {node.site for name in names if (node := view.layout.database(name))}
    if len(view.layout.data_sites) > 1 and not sites - {primary.node.site}:
        text = "a commit is durable in the primary's own site only"
        yield _critical("no-remote-copy", primary.node.site, text)


def _database(database: DatabaseView, view: EstateView) -> Iterator[Problem]:
    name = database.node.name
    match database.patroni:
        case Unreachable(reason):
            yield _critical("patroni-unreachable", name, f"Patroni: {reason}")
        case PatroniMember(pending_restart=True):
            yield _warning("pending-restart", name, "a setting waits for a restart of PostgreSQL")
    match database.postgres:
        case Unreachable(reason):
            yield _critical("postgresql-unreachable", name, f"PostgreSQL: {reason}")
        case DatabaseState(role=Role.STANDBY) as state:
            yield from _standby(name, state, view)


def _standby(name: str, state: DatabaseState, view: EstateView) -> Iterator[Problem]:
    primary = view.primary
    if primary is None:
        return
    row = primary.standby(name)
    if row is None or row.state != "streaming":
        found = row.state if row else "not connected"
        yield _warning("standby-not-streaming", name, f"the standby is not streaming: {found}")
    elif row.replay_lag_bytes is not None and row.replay_lag_bytes > LAG_LIMIT_BYTES:
        yield _warning("standby-lagging", name, f"the standby is {row.replay_lag_bytes:,} bytes behind")
    if state.timeline != primary.state.timeline:
        text = f"timeline {state.timeline}, the primary's is {primary.state.timeline}"
        yield _warning("timeline-behind", name, text)


def _ensemble(view: EstateView) -> Iterator[Problem]:
    serving = [each for each in view.zookeepers if isinstance(each.state, ZooKeeperState)]
    for each in view.zookeepers:
        if isinstance(each.state, Unreachable):
            yield _warning("zookeeper-unreachable", each.node.name, f"ZooKeeper: {each.state.reason}")
        elif found := divergence(each.state):
            yield _critical("zookeeper-diverged", each.node.name, f"ZooKeeper: {found}")
    if 2 * len(serving) <= len(view.zookeepers):
        text = f"{len(serving)} of {len(view.zookeepers)} servers serve"
        yield _critical("zookeeper-no-quorum", "zookeeper", text)
    leaders = [each.node.name for each in serving if _mode(each.state) == "leader"]
    if serving and len(leaders) != 1:
        named = ", ".join(leaders) or "none"
        yield _warning("zookeeper-leaders", "zookeeper", f"servers that call themselves leader: {named}")


def divergence(state: ZooKeeperState) -> str | None:
    """What is wrong with a server's tree, and what to do; None while it is the leader's."""
    if not state.digest_mismatches:
        return None
    return (
        f"its tree is not the leader's ({state.digest_mismatches} digest mismatches), it may serve old keys:"
        " stop zookeeper there, move version-2 away, start it (docs/runbooks/zookeeper-diverged.md)"
    )


def _mode(state: ZooKeeperState | Unreachable) -> str:
    return state.mode if isinstance(state, ZooKeeperState) else ""


def _application(application: ApplicationView) -> Iterator[Problem]:
    name = application.node.name
    match application.api:
        case Unreachable(reason):
            yield _warning("api-unreachable", name, f"CRM API: {reason}")
        case api if api.serves is not Serves.WRITES:
            yield _warning("api-not-writing", name, f"CRM API: serves {api.serves}")
    match application.proxy:
        case Unreachable(reason):
            yield _warning("haproxy-unreachable", name, f"HAProxy: {reason}")
        case servers:
            up = [each.server for each in servers if each.backend == PRIMARY_BACKEND and each.up]
            if len(up) != 1:
                named = ", ".join(up) or "none"
                yield _warning("route-to-primary", name, f"HAProxy sends writes to {named}")


def _entries(view: EstateView) -> Iterator[Problem]:
    for entry in view.entries:
        match entry.api:
            case Unreachable(reason):
                yield _critical("entry-unreachable", entry.site, f"entry {entry.address}: {reason}")
            case api if api.serves is not Serves.WRITES:
                text = f"entry {entry.address}: serves {api.serves}"
                yield _critical("entry-not-writing", entry.site, text)
