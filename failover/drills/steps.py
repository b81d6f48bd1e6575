"""What a drill does to the estate: each step declares its doing and its undoing together.

Undoing is safe at any time, also when the doing was never begun or stopped half way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from failover.drills.model import ClusterStatus, Direction, Estate, ReplicationMode
from failover.drills.ports import PortError, Ports


class Role(StrEnum):
    """A part that a host or site plays when the drill begins; resolved once, before any fault."""

    PRIMARY_HOST = "primary host"
    PRIMARY_SITE = "primary's site"
    OTHER_SITE = "other data site"
    WITNESS_SITE = "witness's site"
    REMOTE_COPY = "synchronous standby at the other data site"
    ENTRY_HOST = "application host that holds the entry of the primary's site"
    ZOOKEEPER_LEADER = "host of the ZooKeeper leader"
    ORCHESTRATOR = "host of the agent in office"


AGENT_UNIT = "twinsite-agent"


@dataclass(frozen=True, slots=True)
class Scene:
    """Who plays which role in this run of a drill."""

    cast: dict[Role, str]

    def __getitem__(self, role: Role) -> str:
        return self.cast[role]


def set_scene(estate: Estate, status: ClusterStatus, ports: Ports) -> Scene:
    """Find who plays which role now; raise `PortError` when the estate lacks one."""
    if status.leader is None:
        raise PortError("there is no primary, so nothing can be drilled")
    primary = estate.host(status.leader.name)
    others = [site for site in estate.data_sites if site != primary.site]
    witnesses = [h.site for h in estate.members("zookeeper") if h.site not in estate.data_sites]
    if not others or not witnesses:
        raise PortError("a drill needs two data sites and a witness; the inventory does not name them")
    return Scene(
        {
            Role.PRIMARY_HOST: primary.name,
            Role.PRIMARY_SITE: primary.site,
            Role.OTHER_SITE: others[0],
            Role.WITNESS_SITE: witnesses[0],
            Role.REMOTE_COPY: _copy_at(others[0], estate, status),
            Role.ENTRY_HOST: ports.cluster.entry_holder(primary.site),
            Role.ZOOKEEPER_LEADER: ports.cluster.zookeeper_leader(),
            Role.ORCHESTRATOR: ports.orchestrator.holder() or "nobody",
        }
    )


def _copy_at(site: str, estate: Estate, status: ClusterStatus) -> str:
    """Whom each commit waits for at that site; where replication is asynchronous, nobody."""
    names = sorted(status.synchronous_names)
    return next((name for name in names if estate.host(name).site == site), "nobody")


class Step(Protocol):
    """Something done to the estate, and how it is undone."""

    @property
    def name(self) -> str:
        """Return the fault's name in the history, e.g. `power_cut`."""
        ...

    def target(self, scene: Scene) -> str:
        """Return what it is done to, as text for people."""
        ...

    def do(self, ports: Ports, scene: Scene) -> None: ...

    def undo(self, ports: Ports, scene: Scene) -> None: ...


@dataclass(frozen=True, slots=True)
class PowerCut:
    role: Role
    name: str = "power_cut"

    def target(self, scene: Scene) -> str:
        return scene[self.role]

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.power_cut(scene[self.role])

    def undo(self, ports: Ports, scene: Scene) -> None:
        ports.faults.boot(scene[self.role])


@dataclass(frozen=True, slots=True)
class LoseQuorum:
    """A data site and the witness lose power: ZooKeeper has no majority, and nobody may be primary."""

    name: str = "lose_quorum"

    def target(self, scene: Scene) -> str:
        return f"{scene[Role.PRIMARY_SITE]} and {scene[Role.WITNESS_SITE]}"

    def do(self, ports: Ports, scene: Scene) -> None:
        for role in (Role.PRIMARY_SITE, Role.WITNESS_SITE):
            ports.faults.power_cut(scene[role])

    def undo(self, ports: Ports, scene: Scene) -> None:
        """The servers that return are kept out until the ensemble takes them back."""
        for role in (Role.PRIMARY_SITE, Role.WITNESS_SITE):
            ports.faults.boot(scene[role])
        ports.quorum.rejoin()


@dataclass(frozen=True, slots=True)
class RecoverQuorum:
    """What an operator does about it. `LoseQuorum` undoes both."""

    name: str = "recover_quorum"

    def target(self, scene: Scene) -> str:
        return scene[Role.OTHER_SITE]

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.quorum.recover(scene[Role.OTHER_SITE])

    def undo(self, ports: Ports, scene: Scene) -> None:
        """Leave it to the loss."""


@dataclass(frozen=True, slots=True)
class Freeze:
    role: Role
    name: str = "freeze"

    def target(self, scene: Scene) -> str:
        return scene[self.role]

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.freeze(scene[self.role])

    def undo(self, ports: Ports, scene: Scene) -> None:
        ports.faults.thaw(scene[self.role])


@dataclass(frozen=True, slots=True)
class Isolate:
    role: Role
    name: str = "isolate"

    def target(self, scene: Scene) -> str:
        return scene[self.role]

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.isolate(scene[self.role])

    def undo(self, ports: Ports, scene: Scene) -> None:
        ports.faults.rejoin(scene[self.role])


@dataclass(frozen=True, slots=True)
class KillPostgres:
    """Patroni mends it by itself; there is nothing to undo."""

    role: Role
    name: str = "kill_postgres"

    def target(self, scene: Scene) -> str:
        return scene[self.role]

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.kill_postgres(scene[self.role])

    def undo(self, ports: Ports, scene: Scene) -> None:
        """Leave it to Patroni."""


@dataclass(frozen=True, slots=True)
class StopUnit:
    role: Role
    unit: str
    name: str = "stop_unit"

    def target(self, scene: Scene) -> str:
        return f"{self.unit} on {scene[self.role]}"

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.stop_unit(scene[self.role], self.unit)

    def undo(self, ports: Ports, scene: Scene) -> None:
        ports.faults.start_unit(scene[self.role], self.unit)


@dataclass(frozen=True, slots=True)
class KillUnit:
    """Every process of the unit gets SIGKILL."""

    role: Role
    unit: str
    name: str = "kill_unit"

    def target(self, scene: Scene) -> str:
        return f"{self.unit} on {scene[self.role]}"

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.kill_unit(scene[self.role], self.unit)

    def undo(self, ports: Ports, scene: Scene) -> None:
        ports.faults.start_unit(scene[self.role], self.unit)


@dataclass(frozen=True, slots=True)
class StopOrchestrator:
    """Leaves the estate to Patroni alone, for comparison."""

    name: str = "stop_orchestrator"

    def target(self, scene: Scene) -> str:  # noqa: ARG002 - every agent
        return "every agent"

    def do(self, ports: Ports, scene: Scene) -> None:  # noqa: ARG002
        for host in ports.orchestrator.hosts():
            ports.faults.stop_unit(host, AGENT_UNIT)

    def undo(self, ports: Ports, scene: Scene) -> None:  # noqa: ARG002
        for host in ports.orchestrator.hosts():
            ports.faults.start_unit(host, AGENT_UNIT)


@dataclass(frozen=True, slots=True)
class CutLink:
    a: Role
    b: Role
    direction: Direction = Direction.BOTH
    name: str = "cut_link"

    def target(self, scene: Scene) -> str:
        arrow = {Direction.BOTH: "↔", Direction.OUTBOUND: "→", Direction.INBOUND: "←"}[self.direction]
        return f"{scene[self.a]} {arrow} {scene[self.b]}"

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.faults.cut_link(scene[self.a], scene[self.b], self.direction)

    def undo(self, ports: Ports, scene: Scene) -> None:
        ports.faults.restore_link(scene[self.a], scene[self.b])


@dataclass(frozen=True, slots=True)
class SetReplication:
    """A drill may weaken replication on purpose; undoing always returns to synchronous."""

    mode: ReplicationMode
    name: str = "set_replication"

    def target(self, scene: Scene) -> str:  # noqa: ARG002 - the cluster as a whole
        return str(self.mode)

    def do(self, ports: Ports, scene: Scene) -> None:  # noqa: ARG002
        ports.cluster.set_replication(self.mode)

    def undo(self, ports: Ports, scene: Scene) -> None:  # noqa: ARG002
        ports.cluster.set_replication(ReplicationMode.SYNCHRONOUS)


@dataclass(frozen=True, slots=True)
class Switchover:
    """A planned switch to the other site; the runner's restoring moves the primary back."""

    name: str = "switchover"

    def target(self, scene: Scene) -> str:
        return f"{scene[Role.PRIMARY_SITE]} → {scene[Role.OTHER_SITE]}"

    def do(self, ports: Ports, scene: Scene) -> None:
        ports.cluster.switchover(scene[Role.OTHER_SITE])

    def undo(self, ports: Ports, scene: Scene) -> None:
        """Leave it: a switched cluster is whole."""
