"""Faults as values: each says what it does, does it, and carries its own healing.

What is broken now stands in one file, written before anything is broken, so that `heal` undoes everything
even after the one who broke it was killed. Cuts of links and isolations are rendered anew from that list: the
rulesets of the routers always say exactly what the list says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from infra import cgroups
from infra.hosts import Machine
from infra.topology import Estate, LinkQuality
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
    def render_network_faults(self) -> None: ...


@dataclass(frozen=True)
class Fault:
    """A fault that only its subclasses can inject and heal."""

    def describe(self) -> str:
        raise NotImplementedError

    def inject(self, ground: Ground) -> None:
        raise NotImplementedError

    def heal(self, ground: Ground) -> None:
        raise NotImplementedError

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

    def inject(self, ground: Ground) -> None:
        ground.render_network_faults()
        for host in self.hosts:
            ground.machine(host).power_cut()

    def heal(self, ground: Ground) -> None:
        ground.render_network_faults()
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

    def inject(self, ground: Ground) -> None:
        for host in self.hosts:
            if not ground.machine(host).is_on:
                raise FaultError(f"{host} is off; only a running host can be frozen")
            cgroups.freeze(host)
        ground.render_network_faults()

    def heal(self, ground: Ground) -> None:
        ground.render_network_faults()
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

    def heal(self, ground: Ground) -> None:
        machine = ground.machine(self.host)
        machine.boot()
        machine.run(["systemctl", "start", "--no-block", self.unit], check=False)


@dataclass(frozen=True)
class ProcessKill(Fault):
    """A signal to a unit's processes (or those of one program in it); healing starts the unit if it is down.

    `program` is a process name as `pgrep -x` takes it; empty means every process of the unit.
    """

    host: str
    unit: str
    signal: str = "KILL"
    program: str = ""

    def describe(self) -> str:
        return f"send SIG{self.signal} to {self.program or 'all processes'} of {self.unit} on {self.host}"

    def inject(self, ground: Ground) -> None:
        machine = ground.machine(self.host)
        if not self.program:
            machine.run(["systemctl", "kill", f"--signal=SIG{self.signal}", self.unit])
            return
        machine.run(["pkill", f"-{self.signal}", "-o", "-x", self.program])

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

    def inject(self, ground: Ground) -> None:
        ground.estate.link(*self.ends)
        ground.render_network_faults()

    def heal(self, ground: Ground) -> None:
        ground.render_network_faults()


@dataclass(frozen=True)
class Isolation(Fault):
    """One host exchanges nothing with anybody but the operator; forward is what it sends."""

    host: str
    direction: Direction = Direction.BOTH

    def describe(self) -> str:
        what = {Direction.BOTH: "to and from", Direction.FORWARD: "from", Direction.BACKWARD: "to"}
        return f"drop everything {what[self.direction]} {self.host}"

    def inject(self, ground: Ground) -> None:
        ground.estate.host(self.host)
        ground.render_network_faults()

    def heal(self, ground: Ground) -> None:
        ground.render_network_faults()


@dataclass(frozen=True)
class Degradation(Fault):
    """A link gets another quality; healing gives it the inventory's back."""

    ends: tuple[str, str]
    quality: LinkQuality = field(default_factory=LinkQuality)

    def describe(self) -> str:
        q = self.quality
        return (
            f"give the link {'-'.join(self.ends)} {q.delay_ms:g}±{q.jitter_ms:g} ms, "
            f"{q.loss_percent:g} % loss, {f'{q.rate_mbit:g} Mbit/s' if q.rate_mbit else 'no rate limit'}"
        )

    def inject(self, ground: Ground) -> None:
        ground.wan.shape(ground.estate.link(*self.ends), self.quality)

    def heal(self, ground: Ground) -> None:
        link = ground.estate.link(*self.ends)
        ground.wan.shape(link, link.quality)


@dataclass(frozen=True)
class DiskFull(Fault):
    """The volume of a database host has no byte left; healing removes the ballast."""

    host: str

    def describe(self) -> str:
        return f"fill the PostgreSQL volume of {self.host}"

    def inject(self, ground: Ground) -> None:
        ground.machine(self.host).fill_volume()

    def heal(self, ground: Ground) -> None:
        ground.machine(self.host).empty_volume()


_KINDS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (PowerCut, Freeze, UnitStop, ProcessKill, LinkCut, Isolation, Degradation, DiskFull)
}


def isolation_of(estate: Estate, name: str, direction: Direction = Direction.BOTH) -> tuple[Fault, ...]:
    """The faults that isolate a host, or a whole site by silence on all of its links.

    Raises:
        UnknownHostError: neither a host nor a site.
    """
    if name not in estate.sites:
        return (Isolation(estate.host(name).name, direction),)
    return tuple(LinkCut((name, link.peer_of(name)), direction) for link in estate.links if name in link.ends)


@dataclass(frozen=True)
class FaultBook:
    """The list of what is broken now, on disk."""

    path: Path

    def read(self) -> tuple[Fault, ...]:
        if not self.path.exists():
            return ()
        return tuple(_from_json(entry) for entry in json.loads(self.path.read_text()))

    def add(self, faults: Iterable[Fault]) -> None:
        known = self.read()
        self._write([*known, *(fault for fault in faults if fault not in known)])

    def remove(self, faults: Iterable[Fault]) -> None:
        gone = set(faults)
        self._write([fault for fault in self.read() if fault not in gone])

    def _write(self, faults: Sequence[Fault]) -> None:
        writing = self.path.with_suffix(".writing")
        writing.write_text(json.dumps([{"kind": type(f).__name__, **asdict(f)} for f in faults], indent=1))
        writing.rename(self.path)


def _from_json(entry: dict[str, Any]) -> Fault:
    held: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}
    kind = _KINDS[held.pop("kind")]
    if "direction" in held:
        held["direction"] = Direction(held["direction"])
    if "manner" in held:
        held["manner"] = Manner(held["manner"])
    if "quality" in held:
        held["quality"] = LinkQuality(**held["quality"])
    return kind(**held)
