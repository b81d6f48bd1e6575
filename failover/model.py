"""What this room knows: who should be there (layout), and what was found there (views).

A thing that could not be asked is an `Unreachable`, never an exception and never a default: whoever decides
must say what silence means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from failover.word_of_office import Rule, SiteExposure

# --- what should be there ---------------------------------------------------------------------------------

# Of every host with a database, as the role `postgresql` has them listen. No inventory says otherwise.
POSTGRESQL_PORT = 5432
PATRONI_PORT = 8008


@dataclass(frozen=True)
class Node:
    """A host of the estate. Its name is also its Patroni member name and its `application_name`."""

    name: str
    site: str
    address: str


@dataclass(frozen=True)
class Site:
    """A site; `entry` is the virtual address of a data site, None elsewhere."""

    name: str
    entry: str | None = None


@dataclass(frozen=True)
class Layout:
    """Who should be there. A host stands in each list whose work it does."""

    sites: tuple[Site, ...]
    databases: tuple[Node, ...]
    applications: tuple[Node, ...]
    zookeepers: tuple[Node, ...]

    def database(self, name: str) -> Node | None:
        return next((node for node in self.databases if node.name == name), None)

    @property
    def data_sites(self) -> tuple[str, ...]:
        """Sites that hold a copy of the database, in the order of the layout."""
        return tuple(dict.fromkeys(node.site for node in self.databases))


@dataclass(frozen=True)
class Access:
    """How to reach the estate's interfaces: the operator's certificate, and the accounts' passwords."""

    ca_certificate: Path
    certificate: Path
    key: Path
    monitor_password: str = field(repr=False)
    patroni_rest_password: str = field(repr=False)


# --- what was found ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unreachable:
    """Nothing was learnt; `reason` says what was tried and how it ended."""

    reason: str


class Role(StrEnum):
    """What PostgreSQL itself says: `pg_is_in_recovery()`."""

    PRIMARY = "primary"
    STANDBY = "standby"


@dataclass(frozen=True)
class PatroniMember:
    """Patroni's own word on one host: GET /patroni, with its view of the cluster from GET /cluster."""

    role: Role | None
    state: str
    timeline: int | None
    replication_state: str | None
    pending_restart: bool
    paused: bool
    dcs_last_seen: datetime | None
    version: str
    leader_seen: str | None
    switchover_scheduled: bool


@dataclass(frozen=True)
class Standby:
    """One row of the primary's `pg_stat_replication`.

    `lag_bytes` is WAL that the primary has flushed and the standby has not; `replay_lag_bytes` counts what is
    not yet visible to its readers.
    """

    name: str
    state: str
    sync_state: str
    lag_bytes: int | None
    replay_lag_bytes: int | None
    replay_lag_s: float | None


@dataclass(frozen=True)
class DatabaseState:
    """PostgreSQL's own word. LSNs are byte positions (`pg_wal_lsn_diff` from 0/0)."""

    role: Role
    timeline: int | None
    flush_lsn: int
    replay_lsn: int
    replay_lag_s: float | None
    synchronous_standby_names: str
    standbys: tuple[Standby, ...]


@dataclass(frozen=True)
class DatabaseView:
    """A database host, as Patroni and as PostgreSQL describe it."""

    node: Node
    patroni: PatroniMember | Unreachable
    postgres: DatabaseState | Unreachable


@dataclass(frozen=True)
class ZooKeeperState:
    """A ZooKeeper server's `srvr` and `mntr`. `synced_followers` is known to the leader only.

    `digest_mismatches`: transactions since the process began after which its tree was not the leader's. One
    that has any may serve old keys, for good (docs/decisions/0204-zookeeper-snapshots.md).
    """

    mode: str
    version: str
    zxid: int
    latency_avg_ms: float
    outstanding: int
    connections: int
    synced_followers: int | None
    digest_mismatches: int = 0


@dataclass(frozen=True)
class ZooKeeperView:
    """A host of the ensemble."""

    node: Node
    state: ZooKeeperState | Unreachable


@dataclass(frozen=True)
class LeaderKey:
    """The leader znode: who holds it, and which session (compare `session` before ever deleting it)."""

    name: str
    session: int
    version: int
    czxid: int


@dataclass(frozen=True)
class TimelineSwitch:
    """One line of Patroni's history: `timeline` ended at `lsn`; `leader` opened the next one."""

    timeline: int
    lsn: int
    at: str | None
    leader: str | None


@dataclass(frozen=True)
class Coordination:
    """What ZooKeeper holds for the cluster: /leader, /sync, /config, /history; the exposure; who rules."""

    leader: LeaderKey | None
    sync_leader: str | None
    sync_standbys: tuple[str, ...]
    config: Mapping[str, object]
    history: tuple[TimelineSwitch, ...]
    exposure: SiteExposure | None = None
    rule: Rule | None = None

    @property
    def paused(self) -> bool:
        """Patroni's maintenance mode: no failover happens while it is on."""
        return bool(self.config.get("pause", False))


class Serves(StrEnum):
    """What the CRM API can do for a client now (docs/crm-api.md)."""

    WRITES = "writes"
    READS = "reads"
    NOTHING = "nothing"


@dataclass(frozen=True)
class ApiState:
    """GET /health/ready. `site` and `host` are those of the API that answered, the others its database's."""

    serves: Serves
    site: str | None
    host: str | None
    node: str | None
    role: str | None
    timeline: int | None
    lag_bytes: int | None


@dataclass(frozen=True)
class ProxyServer:
    """A line of HAProxy's statistics: one server of one backend, up or not, with its sessions."""

    backend: str
    server: str
    up: bool
    status: str
    sessions: int
    queued: int


@dataclass(frozen=True)
class Pool:
    """The API's connections on one host to one route (primary, replica), over all of its processes."""

    route: str
    idle: int
    used: int
    waiting: int


@dataclass(frozen=True)
class ApplicationView:
    """An application host: the API, HAProxy's servers, the pools."""

    node: Node
    api: ApiState | Unreachable
    proxy: tuple[ProxyServer, ...] | Unreachable
    pools: tuple[Pool, ...] | Unreachable


@dataclass(frozen=True)
class EntryView:
    """A site's virtual address, asked as a client would."""

    site: str
    address: str
    api: ApiState | Unreachable


@dataclass(frozen=True)
class EstateView:
    """Everything that was asked at one moment (UTC)."""

    at: datetime
    layout: Layout
    databases: tuple[DatabaseView, ...]
    zookeepers: tuple[ZooKeeperView, ...]
    coordination: Coordination | Unreachable
    applications: tuple[ApplicationView, ...]
    entries: tuple[EntryView, ...]

    @property
    def primaries(self) -> tuple[DatabaseView, ...]:
        """Hosts whose PostgreSQL is not in recovery; more than one at a time is two writers."""
        return tuple(
            view
            for view in self.databases
            if isinstance(view.postgres, DatabaseState) and view.postgres.role is Role.PRIMARY
        )

    @property
    def primary(self) -> Primary | None:
        """The primary, if there is exactly one."""
        if len(self.primaries) != 1:
            return None
        (view,) = self.primaries
        assert isinstance(view.postgres, DatabaseState)
        return Primary(view.node, view.postgres)


@dataclass(frozen=True)
class Primary:
    """The one primary, and what follows from what it says."""

    node: Node
    state: DatabaseState

    def standby(self, name: str) -> Standby | None:
        """The standby of that name as the primary sees it; None when it is not connected."""
        return next((each for each in self.state.standbys if each.name == name), None)

    @property
    def synchronous_standbys(self) -> tuple[str, ...]:
        """Standbys that a commit waits for."""
        return tuple(each.name for each in self.state.standbys if each.sync_state in ("sync", "quorum"))
