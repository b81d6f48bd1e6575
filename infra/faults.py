"""Faults as values: each says what it does, does it, and carries its own healing.

What is broken now stands in one file, written before anything is broken and struck out after it was mended,
so that `heal` undoes everything even after the one who broke it was killed. What the network does wrong is
rendered from that list (`infra.partitions`): the routers always do exactly what the list says.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from signal import Signals
from typing import Protocol

from infra import cgroups, processes
from infra.hosts import Machine
from infra.topology import Estate, LinkQuality
from infra.volume import Volume
from infra.wan import Wan


class Direction(StrEnum):
    """Which way a cut works. For a link, `forward` is from the first site named to the second."""

    BOTH = "both"
    FORWARD = "forward"
    BACKWARD = "backward"


class Manner(StrEnum):
    """How a cut link behaves: packets vanish, or senders are told."""

    SILENCE = "silence"
    REJECT = "reject"


class FaultError(Exception):
    """A fault cannot be injected here; the message says why."""


class Ground(Protocol):
    """What faults act on: the running lab."""

    @property
    def estate(self) -> Estate: ...
    @property
    def wan(self) -> Wan: ...
    def machine(self, host: str) -> Machine: ...


@dataclass(frozen=True)
class Fault:
    """A fault. What it does to the network the routers do once it is listed; the rest it does itself."""

    def describe(self) -> str:
        raise NotImplementedError

    def check(self, ground: Ground) -> None:
        """Refuse what cannot be injected here, before anything is listed.

        Raises:
            FaultError, LabError, UnknownHostError: it cannot; the message says why.
        """

    def inject(self, ground: Ground) -> None:
        """Break what the network alone does not."""

    def heal(self, ground: Ground) -> None:
        """Mend it; harmless where it is whole."""

    def parts(self) -> tuple[Fault, ...]:
        """The faults that can be healed one by one: a site without power can get one host back."""
        return (self,)


@dataclass(frozen=True)
class PowerCut(Fault):
    """Hosts lose power; healing boots them.

    Their ports are shut first: a host without power sends no FIN and no RST, but the namespace's kernel would
    send both for its dying processes, and refuse what comes later. Peers have to notice by silence.
    """

    hosts: tuple[str, ...]

    def parts(self) -> tuple[Fault, ...]:
        return tuple(PowerCut((host,)) for host in self.hosts)

    def describe(self) -> str:
        return f"cut the power of {', '.join(self.hosts)}"

    def check(self, ground: Ground) -> None:
        for host in self.hosts:
            ground.machine(host)

    def inject(self, ground: Ground) -> None:
        for host in self.hosts:
            ground.machine(host).power_cut()

    def heal(self, ground: Ground) -> None:
        for host in self.hosts:
            ground.machine(host).boot()


@dataclass(frozen=True)
class Freeze(Fault):
    """Hosts stand still as paused virtual machines do: nothing runs, and nobody answers for them.

    The namespace's kernel would go on answering pings and accepting connections, so the ports are shut too,
    for the operator as well.
    """

    hosts: tuple[str, ...]

    def parts(self) -> tuple[Fault, ...]:
        return tuple(Freeze((host,)) for host in self.hosts)

    def describe(self) -> str:
        return f"freeze {', '.join(self.hosts)}"

    def check(self, ground: Ground) -> None:
        for host in self.hosts:
            if not ground.machine(host).is_on:
                raise FaultError(f"{host} is off; only a running host can be frozen")

    def inject(self, ground: Ground) -> None:  # noqa: ARG002  (every fault takes its ground)
        for host in self.hosts:
            cgroups.freeze(host)

    def heal(self, ground: Ground) -> None:  # noqa: ARG002
        for host in self.hosts:
            cgroups.thaw(host)


@dataclass(frozen=True)
class UnitStop(Fault):
    """A unit is stopped in good order; healing starts it."""

    host: str
    unit: str

    def describe(self) -> str:
        return f"stop {self.unit} on {self.host}"

    def inject(self, ground: Ground) -> None:
        ground.machine(self.host).run(["systemctl", "stop", self.unit], timeout=90)

    def check(self, ground: Ground) -> None:
        _needs_running(ground.machine(self.host))

    def heal(self, ground: Ground) -> None:
        machine = ground.machine(self.host)
        if machine.is_on:
            machine.run(["systemctl", "start", "--no-block", self.unit], check=False)
        else:
            machine.boot()  # which starts what is enabled


@dataclass(frozen=True)
class ProcessKill(Fault):
    """A signal to a unit's processes, or to one of them; healing starts the unit if it is down.

    `program` is a process's name as /proc/PID/comm has it: the oldest one of that name in the unit gets the
    signal, and no process of another unit ever does. Empty means every process of the unit.
    """

    host: str
    unit: str
    signal: str = "KILL"
    program: str = ""

    def describe(self) -> str:
        whom = f"the oldest {self.program}" if self.program else "all processes"
        return f"send SIG{self.signal} to {whom} of {self.unit} on {self.host}"

    def inject(self, ground: Ground) -> None:
        if not self.program:
            ground.machine(self.host).run(["systemctl", "kill", f"--signal=SIG{self.signal}", self.unit])
            return
        with suppress(ProcessLookupError):  # it has just ended by itself: nothing is left to be broken
            os.kill(self._victim(), Signals[f"SIG{self.signal}"])

    def _victim(self) -> int:
        """The process that gets the signal.

        Raises:
            FaultError: the unit has none of that name.
        """
        pid = processes.oldest(cgroups.processes_of_unit(self.host, self.unit), self.program)
        if pid is None:
            raise FaultError(f"{self.unit} on {self.host} has no process called {self.program}")
        return pid

    def check(self, ground: Ground) -> None:
        _needs_running(ground.machine(self.host))
        if f"SIG{self.signal}" not in Signals.__members__:
            raise FaultError(f"no signal is called {self.signal}; name one without SIG, such as KILL")
        if self.program:
            self._victim()

    def heal(self, ground: Ground) -> None:
        UnitStop(self.host, self.unit).heal(ground)


@dataclass(frozen=True)
class LinkCut(Fault):
    """Packets of a link vanish or are rejected, both ways or one way."""

    ends: tuple[str, str]
    direction: Direction = Direction.BOTH
    manner: Manner = Manner.SILENCE

    def describe(self) -> str:
        one, other = self.ends
        arrow = {Direction.BOTH: "↔", Direction.FORWARD: "→", Direction.BACKWARD: "←"}[self.direction]
        return f"cut the link {one} {arrow} {other} ({self.manner})"

    def check(self, ground: Ground) -> None:
        ground.estate.link(*self.ends)


@dataclass(frozen=True)
class Isolation(Fault):
    """One host exchanges nothing with anybody but the operator; forward is what it sends."""

    host: str
    direction: Direction = Direction.BOTH

    def describe(self) -> str:
        what = {Direction.BOTH: "to and from", Direction.FORWARD: "from", Direction.BACKWARD: "to"}
        return f"drop everything {what[self.direction]} {self.host}"

    def check(self, ground: Ground) -> None:
        ground.estate.host(self.host)


@dataclass(frozen=True)
class Degradation(Fault):
    """A link gets another quality; healing gives it the inventory's back."""

    ends: tuple[str, str]
    quality: LinkQuality = field(default_factory=LinkQuality)

    def describe(self) -> str:
        return f"give the link {'-'.join(self.ends)} {self.quality.describe()}"

    def check(self, ground: Ground) -> None:
        ground.estate.link(*self.ends)

    def inject(self, ground: Ground) -> None:
        ground.wan.shape(ground.estate.link(*self.ends), self.quality)

    def heal(self, ground: Ground) -> None:
        link = ground.estate.link(*self.ends)
        ground.wan.shape(link, link.quality)


@dataclass(frozen=True)
class DiskFull(Fault):
    """The volume of a database host has no byte left; healing gives it back its size."""

    host: str

    def describe(self) -> str:
        return f"fill the PostgreSQL volume of {self.host}"

    def check(self, ground: Ground) -> None:
        self._volume(ground)

    def inject(self, ground: Ground) -> None:
        self._volume(ground).fill()

    def heal(self, ground: Ground) -> None:
        self._volume(ground).empty()

    def _volume(self, ground: Ground) -> Volume:
        if (volume := ground.machine(self.host).volume) is None:
            raise FaultError(f"{self.host} has no PostgreSQL volume to fill")
        return volume


def _needs_running(machine: Machine) -> None:
    if not machine.is_on:
        raise FaultError(f"{machine.host.name} is off; nothing runs there")


def isolation_of(estate: Estate, name: str, direction: Direction = Direction.BOTH) -> tuple[Fault, ...]:
    """The faults that isolate a host, or a whole site by silence on all of its links.

    Raises:
        UnknownHostError: neither a host nor a site.
    """
    if name not in estate.sites:
        return (Isolation(estate.host(name).name, direction),)
    return tuple(LinkCut((name, link.peer_of(name)), direction) for link in estate.links if name in link.ends)
