"""The lab as a whole: up, down, status, faults. One lab a machine, whichever checkout asks."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra import cgroups, network, paths, storage
from infra.cgroups import FreezeError
from infra.command import CommandError
from infra.fault_book import FaultBook
from infra.faults import Fault, FaultError
from infra.hosts import HostError, Machine, wait_until_booted
from infra.image import Image, Recipe
from infra.layout import Layout
from infra.leftovers import clear_leftovers
from infra.partitions import rulesets
from infra.power import start_missing
from infra.preflight import refuse_a_full_machine
from infra.topology import Estate
from infra.wan import Wan, WanError, WanKind, kind_of_this_machine

Progress = Callable[[str], None]

_PATIENCE_S = 20.0


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what helps."""


class LabDownError(LabError):
    """The lab is not up."""


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
        return Wan(WanKind(self.record()["wan"]), self.directory / "wan")

    @property
    def power_switches(self) -> Path:
        return self.directory / "power"

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def book(self) -> FaultBook:
        return FaultBook(self.directory / "faults.json")

    @property
    def is_up(self) -> bool:
        """Whether the lab's network, as it was made, stands; hosts may be off or frozen in it."""
        if not self._state.exists():
            return False
        layout = self.layout
        routers = {network.router_namespace(site) for site in layout.sites}
        if not routers <= set(network.existing_namespaces()):
            return False
        return self.wan.kind is WanKind.NETEM or len(self.wan.pids()) == self.wan.processes_of(layout.links)

    @property
    def layout(self) -> Layout:
        """The sites and links that the lab was made with.

        Raises:
            LabDownError: there is none.
        """
        return Layout.of_record(self.record()) or Layout.of(self.estate)

    def _refuse_another_layout(self) -> None:
        """Sites and links are made once: their management links are numbered in the inventory's order.

        Raises:
            LabError: the inventory's are others now.
        """
        if changes := self.layout.changes_to(Layout.of(self.estate)):
            raise LabError(
                f"the running lab was made with other sites or links than {self.estate.inventory} has "
                f"({'; '.join(changes)}); only hosts can be added to it. Remove it and boot it anew: "
                "`twinsite lab down`, `twinsite lab up`"
            )

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
        return Machine(self.estate.hosts[host], self._disks / host, self.image, size)

    @property
    def _disks(self) -> Path:
        return self.directory / "hosts"

    @property
    def _state(self) -> Path:
        return self.directory / "lab.json"

    def record(self) -> dict[str, str]:
        """What was noted when the network was made.

        Raises:
            LabDownError: there is none.
        """
        if not self._state.exists():
            raise LabDownError("the lab is down; `make up` (or `twinsite lab up`) brings it up")
        record: dict[str, str] = json.loads(self._state.read_text())
        return record

    # -- up and down -------------------------------------------------------------------------------------

    def describe_up(self) -> list[str]:
        """What `up` would do now.

        Raises:
            LabError: the lab is up with other sites or links.
        """
        if self.is_up:
            self._refuse_another_layout()
            off = [machine.host.name for machine in self.machines if not machine.is_on]
            undo = [f"undo: {fault.describe()}" for fault in self.book.read()]
            return [*undo, f"boot {', '.join(off)}"] if off else undo
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
            LabError: the lab is up with other sites or links; nothing was done.
            ImageError, NetworkError, HostError, CommandError: the step that failed.
        """
        with self._held():
            if self.is_up:
                self._refuse_another_layout()
            else:
                clear_leftovers(self.directory, paths.images(), progress)
            refuse_a_full_machine(paths.home(), progress)
            self.image.build(progress)
            self._make_network(progress)
            if self.book.read():
                progress("undoing what was broken on purpose")
                self._heal()
            for machine in self.machines:
                machine.prepare(authorized_key.read_text().strip())
                machine.boot()
            start_missing(self.estate, self.power_switches)
            self._write_ssh_config(identity)
            wait_until_booted(self.machines, progress)

    def _make_network(self, progress: Progress) -> None:
        """Make what is missing: a host added to the inventory gets its place beside the running ones."""
        if self.is_up:
            network.up(self.estate)
            return
        disks = storage.choose(self.estate.variables.get("lab_storage", "auto"), storage.available_gib())
        progress(f"the hosts' disks: {disks.describe()}")
        storage.prepare(self._disks, disks, sum(machine.volume is not None for machine in self.machines))
        kind = kind_of_this_machine()
        progress(f"network: {len(self.estate.sites)} sites, links by {kind}")
        network.up(self.estate)
        Wan(kind, self.directory / "wan").up(self.estate.links)
        network.route_links(self.estate)
        record = {"wan": str(kind), "checkout": str(self.checkout), "inventory": str(self.estate.inventory)}
        record |= {"storage": str(disks.storage)} | Layout.of(self.estate).to_record()
        writing = self._state.with_suffix(".writing")
        writing.write_text(json.dumps(record | {"started_at": time.strftime("%FT%TZ", time.gmtime())}))
        writing.rename(self._state)

    def down(self, progress: Progress) -> None:
        """Remove every process, namespace, mount and route of the lab, and the hosts' file systems."""
        with self._held():
            clear_leftovers(self.directory, paths.images(), progress)

    def _write_ssh_config(self, identity: Path) -> None:
        known = self.directory / "known_hosts"
        known.write_text("".join(f"{m.host.name},{m.host.address} {m.host_key()}\n" for m in self.machines))
        common = (
            f"Host *\n  User root\n  IdentityFile {identity}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {known}\n  StrictHostKeyChecking yes\n  ConnectTimeout 5\n"
            "  ServerAliveInterval 5\n  ServerAliveCountMax 3\n  LogLevel ERROR\n"
        )
        hosts = "".join(f"Host {m.host.name}\n  HostName {m.host.address}\n" for m in self.machines)
        self.ssh_config.write_text(hosts + common)

    # -- faults ------------------------------------------------------------------------------------------

    def inject(self, faults: Iterable[Fault]) -> int:
        """Break things; all are listed before the first is done. Returns when that began (monotonic, ns).

        Raises:
            LabDownError: there is nothing to break.
            FaultError, UnknownHostError: one of them cannot be injected here; nothing was done.
            HostError, WanError, CommandError: one of them failed; `heal` mends what was done.
        """
        with self._held():
            self._refuse_another_layout()
            listed = _parts(faults)
            for fault in listed:
                fault.check(self)
            before = rulesets(self.estate, self.book.standing())
            self.book.add(listed)
            began_ns = time.monotonic_ns()
            self._render_network_faults(before)
            for fault in listed:
                fault.inject(self)
        return began_ns

    def heal(self, faults: Iterable[Fault] | None = None) -> tuple[Fault, ...]:
        """Undo these faults, or all that are listed, newest first; returns what was healed.

        Healing everything also thaws and boots every host, frees every volume and gives every link its own
        quality back, whatever the list says. What cannot be healed stays listed.

        Raises:
            LabDownError: there is nothing to heal.
            FaultError: some could not be healed, each with its reason; the others are.
        """
        with self._held():
            self._refuse_another_layout()
            return self._heal(faults)

    def _heal(self, faults: Iterable[Fault] | None = None) -> tuple[Fault, ...]:
        listed = self.book.read() if faults is None else _parts(faults)
        self.book.begin_mending(listed)
        self._render_network_faults()
        failed = [reason for fault in reversed(listed) if (reason := self._mend(fault))]
        if faults is None:
            self._restore()
        if failed:
            raise FaultError("not everything could be healed: " + "; ".join(failed))
        return listed

    def _mend(self, fault: Fault) -> str | None:
        """Why it could not be mended; None when it was."""
        try:
            fault.heal(self)
        except (FaultError, HostError, WanError, FreezeError, CommandError) as error:
            return f"{fault.describe()}: {error}"
        self.book.remove(fault)
        return None

    def _restore(self) -> None:
        for link in self.estate.links:
            self.wan.shape(link, link.quality)
        for machine in self.machines:
            cgroups.thaw(machine.host.name)
            if machine.volume is not None:
                machine.volume.empty()
            machine.boot()

    def _render_network_faults(self, before: Mapping[str, str] | None = None) -> None:
        """Make the routers do what the list says, no more and no less.

        Those that did something else before come first: a fault takes effect when it is said to begin.
        """
        wanted = rulesets(self.estate, self.book.standing())
        for site in sorted(wanted, key=lambda site: wanted[site] == (before or {}).get(site)):
            network.nft(network.router_namespace(site), wanted[site])

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
                except BlockingIOError as busy:
                    if time.monotonic() > deadline:
                        raise LabError("another twinsite command changes the lab; wait for its end") from busy
                    time.sleep(0.2)
                else:
                    break
            yield


def _parts(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(part for fault in faults for part in fault.parts())
