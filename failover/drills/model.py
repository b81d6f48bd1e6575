"""What a drill knows: the estate, the cluster as found, and the events of a history.

Everything here is frozen: a drill's facts do not change once they are recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class EventType(StrEnum):
    """The `type` of a history line (docs/architecture.md, "The history")."""

    INVOKE = "invoke"
    RETRY = "retry"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"
    OBSERVE = "observe"
    FAULT = "fault"


class Outcome(StrEnum):
    """How an operation ended for its client. INFO is unknown: it may take effect at any later time."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class MemberRole(StrEnum):
    LEADER = "leader"
    REPLICA = "replica"
    UNKNOWN = "unknown"


class ReplicationMode(StrEnum):
    """How a commit relates to the standbys; a drill's precondition."""

    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"


class OrchestratorMode(StrEnum):
    """What the orchestrator's agents did during a drill. STOPPED: plain Patroni, nobody is in office."""

    ACTIVE = "active"
    OBSERVE_ONLY = "observe-only"
    STOPPED = "stopped"


class Direction(StrEnum):
    """Which way of a link a fault silences, seen from the link's first end."""

    BOTH = "both"
    OUTBOUND = "outbound"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class Host:
    """One server of the estate. `groups` are its inventory groups (`postgresql`, `application`, …)."""

    name: str
    address: str
    site: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One site's entry for clients, e.g. ``Entry("dc1", "https://10.77.1.10")``."""

    site: str
    url: str


@dataclass(frozen=True, slots=True)
class Estate:
    """Hosts and entries as the inventory names them."""

    hosts: tuple[Host, ...]
    entries: tuple[Entry, ...]

    def host(self, name: str) -> Host:
        """Return the host of that name; raise `KeyError` when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def members(self, group: str, site: str | None = None) -> tuple[Host, ...]:
        """Return the hosts of an inventory group, of one site or of all."""
        return tuple(h for h in self.hosts if group in h.groups and site in (None, h.site))

    @property
    def data_sites(self) -> tuple[str, ...]:
        """Return the sites that hold a database, in the inventory's order."""
        return tuple(dict.fromkeys(host.site for host in self.members("postgresql")))


@dataclass(frozen=True, slots=True)
class Member:
    """One PostgreSQL member as Patroni reports it.

    `state` is Patroni's word (`running`, `streaming`, `stopped`, …); `lag_bytes` is None when unknown.
    """

    name: str
    role: MemberRole
    state: str
    timeline: int | None
    lag_bytes: int | None
    synchronous: bool


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """The cluster at one moment, as read from Patroni."""

    members: tuple[Member, ...]
    mode: ReplicationMode
    paused: bool = False

    @property
    def leader(self) -> Member | None:
        return next((m for m in self.members if m.role is MemberRole.LEADER and m.state == "running"), None)

    @property
    def synchronous_names(self) -> frozenset[str]:
        return frozenset(m.name for m in self.members if m.synchronous)


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event of the CRM as its feed or a webhook told it; a row of `told` in the history, in this order.

    `position` is its place in the feed, which a webhook does not tell; `version` that of the entity after it;
    `markers` are of the run's writes that it stands for, often none; `digest` is of all that it says, empty
    in older histories.
    """

    position: int | None
    id: str
    type: str
    entity: str
    version: int | None
    markers: tuple[str, ...]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history. Times are nanoseconds of CLOCK_MONOTONIC.

    Names follow the file's short keys: function `f`, idempotency_key `k`, marker `v`, entity `key`.
    `latency_ns` is the duration of the attempt (client) or of the sample (observer); `seen` are the
    markers that a read returned; `state` is the state of the request that an answer named; `size` is how
    many card transactions a batch has. A page of the event feed `told` what came after the position `after`
    up to `reached`; a webhook's delivery `told` one event, the `attempt`th time.
    """

    t_ns: int
    type: EventType
    proc: str
    function: str
    i: int = 0
    idempotency_key: str | None = None
    marker: str | None = None
    entity: str | None = None
    route: str | None = None
    attempt: int | None = None
    node: str | None = None
    timeline: int | None = None
    lsn: str | None = None
    status: int | None = None
    err: str | None = None
    latency_ns: int | None = None
    seen: tuple[str, ...] = ()
    state: str | None = None
    stale: bool = False
    size: int | None = None
    after: int | None = None
    reached: int | None = None
    told: tuple[ToldEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request of an operation. `status` is None when no answer came (`err` says why)."""

    number: int
    started_ns: int
    ended_ns: int
    succeeded: bool
    route: str | None
    status: int | None
    err: str | None

    @property
    def latency_ms(self) -> float:
        return (self.ended_ns - self.started_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a user wanted done: one idempotency key, one or more attempts, one outcome.

    `marker` is None for reads. `ended_ns` is None when the history ends before the operation does; the
    outcome is INFO then. `node`, `timeline`, `lsn`, `state` and `seen` are what the last answer said.
    `size` is more than 1 for a batch of card transactions only; `after`, `reached` and `told` are of a page
    of the event feed.
    """

    proc: str
    function: str
    key: str
    marker: str | None
    entity: str | None
    invoked_ns: int
    ended_ns: int | None
    outcome: Outcome
    attempts: tuple[Attempt, ...]
    node: str | None = None
    timeline: int | None = None
    lsn: str | None = None
    status: int | None = None
    err: str | None = None
    state: str | None = None
    seen: tuple[str, ...] = ()
    stale: bool = False
    size: int = 1
    after: int | None = None
    reached: int | None = None
    told: tuple[ToldEvent, ...] = ()

    @property
    def is_write(self) -> bool:
        return self.marker is not None

    @property
    def markers(self) -> tuple[str, ...]:
        """Return the markers that this write stores, none for a read: each of a batch's has its own."""
        if self.marker is None:
            return ()
        return (self.marker, *(f"{self.marker}:{number}" for number in range(1, self.size)))

    @property
    def acknowledged(self) -> bool:
        """Tell whether this is a write that the client was told is done."""
        return self.is_write and self.outcome is Outcome.OK


@dataclass(frozen=True, slots=True)
class NodeState:
    """What one database node holds of a run, read after parity.

    `markers` counts how often what carries each marker of the run is stored, 0 for what is there in part;
    `executions` the executions that are recorded for each idempotency key. `caught_up` is False when the
    node did not reach the primary's position in time: its state then proves nothing.
    """

    node: str
    is_primary: bool
    caught_up: bool
    timeline: int | None
    markers: Mapping[str, int]
    executions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FinalState:
    """The run's rows on every database node that could be read."""

    nodes: tuple[NodeState, ...] = field(default=())

    @property
    def primary(self) -> NodeState | None:
        return next((node for node in self.nodes if node.is_primary), None)
