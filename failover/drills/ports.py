"""What a drill needs from outside. The command line passes implementations in.

Every call either does what it says within a bounded time or raises `PortError`; none may hang.
Faults are idempotent both ways: cutting what is cut and healing what is whole are no errors,
because a drill that is interrupted heals without knowing how far it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from failover.drills.model import (
    ClusterStatus,
    Direction,
    FinalState,
    OrchestratorMode,
    ReplicationMode,
)
from failover.journal import Entry


class PortError(Exception):
    """Something outside did not do what was asked; the text names what and why."""


class Clock(Protocol):
    """Time, injected so that a drill can be tested without waiting."""

    def monotonic_ns(self) -> int: ...

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None: ...


class Faults(Protocol):
    """Breaks things, and mends them. A target is a host's name or a site's name."""

    def began_ns(self) -> int | None:
        """When the last thing began to be broken (monotonic, ns), all being prepared; None: nothing was."""
        ...

    def power_cut(self, target: str) -> None:
        """Cut the power of a host, or of every host of a site, without any warning."""
        ...

    def boot(self, target: str) -> None:
        """Boot what was cut; return when the hosts' init has started, not when services run."""
        ...

    def freeze(self, target: str) -> None: ...

    def thaw(self, target: str) -> None: ...

    def kill_postgres(self, host: str) -> None:
        """Send SIGKILL to the postmaster of the host; its other processes end once they notice."""
        ...

    def stop_unit(self, host: str, unit: str) -> None: ...

    def kill_unit(self, host: str, unit: str) -> None:
        """Send SIGKILL to every process of the unit; `start_unit` mends it where systemd does not."""
        ...

    def start_unit(self, host: str, unit: str) -> None: ...

    def cut_link(self, a: str, b: str, direction: Direction) -> None:
        """Silence the link between two sites; packets vanish, nothing is refused."""
        ...

    def restore_link(self, a: str, b: str) -> None: ...

    def isolate(self, target: str) -> None:
        """Silence every link of a site, or of a host; the operator's way in stays."""
        ...

    def rejoin(self, target: str) -> None: ...

    def heal_all(self) -> None:
        """Undo every fault, whoever caused it."""
        ...


class Cluster(Protocol):
    """The database cluster through Patroni, and who holds what right now."""

    def status(self) -> ClusterStatus:
        """Return the cluster as found; raise `PortError` when no member answers."""
        ...

    def problems(self) -> tuple[str, ...]:
        """Return what else is not as it should be on any host (units, ZooKeeper, pools, entries)."""
        ...

    def switchover(self, to_site: str) -> None:
        """Move the primary to a member of that site by a planned switch; return when it is asked for."""
        ...

    def set_replication(self, mode: ReplicationMode) -> None:
        """Set the mode. Asynchronous also lifts the lag limit of a failover, or nobody would be promoted."""
        ...

    def entry_holder(self, site: str) -> str:
        """Return the host that holds the site's virtual address."""
        ...

    def zookeeper_leader(self) -> str:
        """Return the host of the ZooKeeper leader."""
        ...

    def versions(self) -> Mapping[str, str]:
        """Return the versions of what runs, by component (`postgresql`, `patroni`, …)."""
        ...


class Quorum(Protocol):
    """An operator's hands on ZooKeeper's membership."""

    def recover(self, survivor: str) -> None:
        """Give ZooKeeper a majority in one data site alone, as the others are off."""
        ...

    def rejoin(self) -> None:
        """Take back the servers that are up again; nothing to do where all form the ensemble."""
        ...


class Orchestrator(Protocol):
    """The orchestrator's agents, as ZooKeeper knows them."""

    def mode(self) -> OrchestratorMode:
        """Return what they do now."""
        ...

    def hosts(self) -> tuple[str, ...]:
        """Return the hosts that have an agent by the inventory."""
        ...

    def holder(self) -> str | None:
        """Return the host of the agent in office."""
        ...

    def missing(self) -> tuple[str, ...]:
        """Return which agents do not count, and whether nobody is in office; nothing if all are stopped."""
        ...

    def operations(self) -> tuple[Entry, ...]:
        """Return the journal's operations, oldest first."""
        ...


class StateReader(Protocol):
    """Reads what a run left in the databases (`failover.drills.state` is the real one)."""

    def collect(self, run_id: str, deadline_s: float) -> FinalState:
        """Read every node; one that cannot be read or does not catch up in time is marked so."""
        ...


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What the load generator is told. `history` and `stats` are the files that it writes."""

    profile: str
    run_id: str
    seed: int
    history: Path
    stats: Path


class Load(Protocol):
    """The load generator as a process of its own, at the clients' site."""

    def start(self, run: LoadRun) -> None: ...

    def stop(self) -> None:
        """Ask it to finish what is in flight, wait, and end it; no error when it is not running."""
        ...

    def failure(self) -> str | None:
        """Return why it ended unasked, or None while it runs or after `stop`."""
        ...


class Observer(Protocol):
    """Samples roles and entries (`failover.drills.observer` is the real one)."""

    def start(self, history: Path) -> None: ...

    def stop(self) -> None: ...


class Logs(Protocol):
    """The hosts' journals."""

    def journal(self, host: str, since: datetime, until: datetime) -> Iterable[str]:
        """Yield the journal's entries of that time as lines of `journalctl --output=json`."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that a drill is given."""

    clock: Clock
    faults: Faults
    cluster: Cluster
    orchestrator: Orchestrator
    quorum: Quorum
    state: StateReader
    load: Load
    observer: Observer
    logs: Logs
