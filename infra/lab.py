"""The lab as a whole: up, down, status, faults. One lab a machine, whichever checkout asks."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra import cgroups, network, paths
from infra.command import run
from infra.faults import Fault, FaultBook
from infra.hosts import Machine, wait_until_booted
from infra.image import Image, Recipe
from infra.partitions import rulesets
from infra.topology import Estate
from infra.wan import Wan, WanKind, kind_of_this_machine

Progress = Callable[[str], None]

_END_DEADLINE_S = 10.0
_PATIENCE_S = 20.0


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what helps."""


class LabDownError(LabError):
    """The lab is not up."""


@dataclass(frozen=True)
class HostStatus:
    """What is found of one host."""

    name: str
    site: str
    address: str
    on: bool
    frozen: bool


@dataclass(frozen=True)
class LabStatus:
    """What is found on this machine; `problems` holds what is broken on purpose."""

    up: bool
    wan: str | None
    checkout: str | None
    hosts: tuple[HostStatus, ...]
    links: tuple[str, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """The lab of an estate. Everything that it makes on this machine it can find and remove again."""

    estate: Estate
    checkout: Path
    directory: Path

    @classmethod
    def of(cls, estate: Estate) -> Lab:
        return cls(estate, paths.CHECKOUT, paths.lab())

    # -- its parts ---------------------------------------------------------------------------------------

    @property
    def image(self) -> Image:
        return Image(Recipe.of_checkout(self.checkout), paths.images())

    @property
    def wan(self) -> Wan:
        return Wan(WanKind(self._record()["wan"]), self.directory / "wan")

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def book(self) -> FaultBook:
        return FaultBook(self.directory / "faults.json")

    @property
    def is_up(self) -> bool:
        """Whether the lab's network was made and stands; hosts may be off or frozen in it."""
        routers = {network.router_namespace(site) for site in self.estate.sites}
        if not self._state.exists() or not routers <= set(network.existing_namespaces()):
            return False
        return self.wan.kind is WanKind.NETEM or bool(self.wan.pids())

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(self._machine(host.name) for host in self.estate.booting_hosts)

    def machine(self, host: str) -> Machine:
        """A booting host's machine.

        Raises:
            UnknownHostError: no such host.
            LabError: it is a bare namespace, with nothing to boot.
        """
        if not self.estate.host(host).boots:
            raise LabError(f"{host} is a bare network namespace: nothing boots there")
        return self._machine(host)

    def _machine(self, host: str) -> Machine:
        size = int(self.estate.variables.get("lab_volume_gib", 16))
        return Machine(self.estate.hosts[host], self.directory / "hosts" / host, self.image, size)

    @property
    def _state(self) -> Path:
        return self.directory / "lab.json"

    def _record(self) -> dict[str, str]:
        if not self._state.exists():
            raise LabDownError("the lab is down; `make up` (or `twinsite lab up`) brings it up")
        record: dict[str, str] = json.loads(self._state.read_text())
        return record

    # -- up and down -------------------------------------------------------------------------------------

    def describe_up(self) -> list[str]:
        """What `up` would do now."""
        if self.is_up:
            off = [machine.host.name for machine in self.machines if not machine.is_on]
            return [f"boot {', '.join(off)}"] if off else []
        steps = [] if self.image.is_built else ["build the host image (a few minutes, once)"]
        hosts = len(self.estate.booting_hosts)
        return [
            *steps,
            f"make {len(self.estate.sites)} site networks and {len(self.estate.links)} links between them",
            f"boot {hosts} hosts",
        ]

    def up(self, authorized_key: Path, identity: Path, progress: Progress) -> None:
        """Boot everything that the inventory names; what is up already stays as it is.

        Args:
            authorized_key: the operator's public key file.
            identity: the private one, for the SSH configuration.
            progress: told each step.

        Raises:
            ImageError, NetworkError, HostError, CommandError: the step that failed.
        """
        with self._held():
            if not self.is_up:
                clear_leftovers(self.directory, progress)
            self.image.build(progress)
            self._make_network(progress)
            for machine in self.machines:
                machine.prepare(authorized_key.read_text().strip())
                machine.boot()
            self._write_ssh_config(identity)
            wait_until_booted(self.machines, progress)

    def _make_network(self, progress: Progress) -> None:
        """Make what is missing: a host added to the inventory gets its place beside the running ones."""
        if self.is_up:
            network.up(self.estate)
            return
        kind = kind_of_this_machine()
        progress(f"network: {len(self.estate.sites)} sites, links by {kind}")
        self.directory.mkdir(parents=True, exist_ok=True)
        network.up(self.estate)
        Wan(kind, self.directory / "wan").up(self.estate.links)
        network.route_links(self.estate)
        record = {"wan": str(kind), "checkout": str(self.checkout), "inventory": str(self.estate.inventory)}
        self._state.write_text(json.dumps(record | {"started_at": time.strftime("%FT%TZ", time.gmtime())}))

    def down(self, progress: Progress) -> None:
        """Remove every process, namespace, mount and route of the lab, and the hosts' file systems."""
        with self._held():
            clear_leftovers(self.directory, progress)

    def _write_ssh_config(self, identity: Path) -> None:
        known = self.directory / "known_hosts"
        machines = self.machines
        known.write_text("".join(f"{m.host.name},{m.host.address} {m.host_key()}\n" for m in machines))
        common = (
            f"Host *\n  User root\n  IdentityFile {identity}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {known}\n  StrictHostKeyChecking yes\n  ConnectTimeout 5\n"
            "  ServerAliveInterval 5\n  ServerAliveCountMax 3\n  LogLevel ERROR\n"
        )
        hosts = "".join(f"Host {m.host.name}\n  HostName {m.host.address}\n" for m in machines)
        self.ssh_config.write_text(hosts + common)

    # -- faults ------------------------------------------------------------------------------------------

    def inject(self, faults: Iterable[Fault]) -> None:
        """Break things; each is written down before it is done.

        Raises:
            LabDownError: there is nothing to break.
            FaultError, HostError, WanError, CommandError: a fault could not be injected.
        """
        self._record()
        listed = _parts(faults)
        self.book.add(listed)
        for fault in listed:
            fault.inject(self)

    def heal(self, faults: Iterable[Fault] | None = None) -> tuple[Fault, ...]:
        """Undo these faults, or all that are written down; returns what was healed.

        Healing everything also thaws and boots every host, renders empty rulesets and gives every link its
        own quality back, whatever the list says.
        """
        self._record()
        everything = faults is None
        listed = self.book.read() if faults is None else _parts(faults)
        self.book.remove(listed)
        for fault in listed:
            fault.heal(self)
        if everything:
            self._restore()
        return listed

    def _restore(self) -> None:
        self.render_network_faults()
        for link in self.estate.links:
            self.wan.shape(link, link.quality)
        for machine in self.machines:
            cgroups.thaw(machine.host.name)
            machine.boot()

    def render_network_faults(self) -> None:
        """Make the routers do what the list of faults says, no more and no less."""
        for site, ruleset in rulesets(self.estate, self.book.read()).items():
            network.nft(network.router_namespace(site), ruleset)

    # -- looking -----------------------------------------------------------------------------------------

    def status(self) -> LabStatus:
        record = json.loads(self._state.read_text()) if self._state.exists() else {}
        hosts = tuple(
            HostStatus(m.host.name, m.host.site, str(m.host.address), m.is_on, m.is_frozen)
            for m in self.machines
        )
        links = tuple(f"{link.name}: {link.quality.delay_ms:g} ms each way" for link in self.estate.links)
        faults = tuple(fault.describe() for fault in self.book.read())
        return LabStatus(self.is_up, record.get("wan"), record.get("checkout"), hosts, links, faults)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep two commands from changing the lab at once.

        Raises:
            LabError: another one has held it for too long.
        """
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with (self.directory.parent / "lab.lock").open("w") as lock:
            deadline = time.monotonic() + _PATIENCE_S
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise LabError(
                            "another twinsite command is changing the lab; wait for it to end"
                        ) from error
                    time.sleep(0.2)
                else:
                    break
            yield


def _parts(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(part for fault in faults for part in fault.parts())


def clear_leftovers(directory: Path, progress: Progress) -> None:
    """Remove whatever a lab left on this machine, however it ended and from whichever checkout it came.

    What is the lab's is known by its own records: its cgroups, its namespaces, its mounts below `directory`.
    """
    found = _processes() | _wan_processes(directory)
    if found:
        progress(f"ending {len(found)} processes of the lab")
        _end(found, directory)
    mounts = _mounts_below(directory)
    if mounts:
        progress(f"unmounting {len(mounts)} file systems of the lab")
    for point in mounts:
        run(["umount", "--lazy", point])
    if names := network.existing_namespaces():
        progress(f"removing {len(names)} network namespaces of the lab")
    network.down()
    cgroups.remove_all()
    if directory.exists():
        shutil.rmtree(directory)


def _processes() -> set[int]:
    return cgroups.all_processes() | network.processes_inside()


def _wan_processes(directory: Path) -> set[int]:
    return Wan(WanKind.WIREFILTER, directory / "wan").pids()


def _end(pids: set[int], directory: Path) -> None:
    deadline = time.monotonic() + _END_DEADLINE_S
    cgroups.thaw_all()
    while pids:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise LabError(f"processes {sorted(pids)} of the lab survived SIGKILL")
        time.sleep(0.05)
        pids = _processes() | _wan_processes(directory)


def _mounts_below(directory: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((p for p in points if Path(p).is_relative_to(directory)), reverse=True)
