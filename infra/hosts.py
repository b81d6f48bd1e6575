"""A simulated host: a real Debian, booted by systemd-nspawn in a network namespace of its own.

Its file system is the image under an overlay; a database host's `/var/lib/postgresql` is a volume of its
own, so that it can be filled to the brim without harm to the machine. Killing its first process is a power
cut: the host boots again from the same overlay, in the same namespace. (One thing a real power cut does and
this does not: the outer kernel keeps what was written but not synced.)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra import cgroups, processes, scheduling
from infra.command import CommandError, Completed, run, spawn
from infra.image import Image
from infra.network import host_namespace
from infra.topology import Host
from infra.volume import Volume

_BOOT_DEADLINE_S = 180.0
_DEATH_DEADLINE_S = 30.0
_VOLUME_POINT = "var/lib/postgresql"

# What a host may do beyond nspawn's default: manage its own addresses and firewall, run keepalived.
_CAPABILITIES = "CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_NICE,CAP_IPC_LOCK"


class HostError(Exception):
    """A host did not boot or did not die; the message names the console log."""


@dataclass(frozen=True)
class Machine:
    """One host's place on this machine: file system, processes, console."""

    host: Host
    directory: Path
    image: Image
    volume_gib: int

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def volume(self) -> Volume | None:
        """A database host's own; others have none."""
        return Volume(self.directory, self.volume_gib) if "postgresql" in self.host.roles else None

    @property
    def init_pid(self) -> int | None:
        """The pid of the host's first process as the outer machine sees it; None when it is off."""
        for pid in cgroups.processes(self.host.name):
            if _is_init_of(pid, self.root):
                return pid
        return None

    @property
    def is_on(self) -> bool:
        return self.init_pid is not None

    @property
    def is_frozen(self) -> bool:
        return cgroups.is_frozen(self.host.name)

    def prepare(self, authorized_key: str) -> None:
        """Mount the file system and give the host its name and the operator's key. Repeatable."""
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(self.root):
            options = (
                f"lowerdir={self.image.lower_directories},"
                f"upperdir={self.directory / 'upper'},workdir={self.directory / 'work'}"
            )
            run(["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)])
        if self.volume is not None:
            self.volume.prepare()
        _write(self.root / "etc/hostname", self.host.name + "\n")
        _write(self.root / "root/.ssh/authorized_keys", authorized_key + "\n", mode=0o600)
        host_key = self.root / "etc/ssh/ssh_host_ed25519_key"
        if not host_key.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.host.name, "-f", str(host_key)])
        cgroups.make(self.host.name)

    def host_key(self) -> str:
        """The host's public SSH key, for the operator's known_hosts."""
        return " ".join((self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    def boot(self) -> None:
        """Start the host; returns at once. Does nothing when it is on."""
        if self.is_on:
            return
        cgroups.make(self.host.name)
        nspawn = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--console=read-only",
            "--kill-signal=SIGRTMIN+3",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            f"--capability={_CAPABILITIES}",
            f"--machine={self.host.name}",
            f"--directory={self.root}",
            f"--network-namespace-path=/run/netns/{host_namespace(self.host.name)}",
        ]
        if self.volume is not None:
            nspawn.append(f"--bind={self.volume.point}:/{_VOLUME_POINT}")
        scheduling.prepare()
        groups = f"{scheduling.enter_hosts_command()}; {cgroups.enter_command(self.host.name)}"
        enter = f'{groups} && exec "$@"'
        with self.console.open("ab") as console:
            spawn(["sh", "-c", enter, "boot", *nspawn], stdout=console, new_session=True)

    def power_cut(self) -> None:
        """Kill every process of the host at once, supervisor first: nothing gets to say goodbye.

        It ends when all of them are over, the supervisor's lock on the file system included: a boot that
        meets the lock ends at once.

        Raises:
            HostError: something survived.
        """
        deadline = time.monotonic() + _DEATH_DEADLINE_S
        dying = processes.Dying()
        while pids := cgroups.processes(self.host.name) | dying.still():
            dying.watch(pids)
            init = self.init_pid
            for pid in [init] if init else pids:
                processes.kill(pid)
            if self.is_frozen:
                cgroups.thaw(self.host.name)
            if time.monotonic() > deadline:
                raise HostError(f"{self.host.name}: processes {sorted(pids)} survived SIGKILL")
            time.sleep(0.005)

    def run(self, argv: Sequence[str], *, timeout: float = 30.0, check: bool = True) -> Completed:
        """Run a program inside the host past any network, as from its console.

        Raises:
            HostError: the host is off.
            CommandError: the program failed or ran past its deadline.
        """
        pid = self.init_pid
        if pid is None:
            raise HostError(f"{self.host.name} is off; boot it with `twinsite lab boot {self.host.name}`")
        enter = ["nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        return run([*enter, *clean, *argv], timeout=timeout, check=check)

    def has_booted(self) -> bool:
        """Whether systemd has reached its target; degraded counts: a unit may lack its settings yet."""
        try:
            state = self.run(["systemctl", "is-system-running"], check=False, timeout=5).stdout.strip()
        except (HostError, CommandError):
            return False
        return state in {"running", "degraded"}


def wait_until_booted(machines: Iterable[Machine], progress: Callable[[str], None]) -> None:
    """Wait for all of them, naming each as it comes.

    Raises:
        HostError: one of them did not come up in time.
    """
    waiting = list(machines)
    deadline = time.monotonic() + _BOOT_DEADLINE_S
    while waiting:
        for machine in [machine for machine in waiting if machine.has_booted()]:
            waiting.remove(machine)
            progress(f"{machine.host.name} is up")
        if waiting and time.monotonic() > deadline:
            slow = waiting[0]
            raise HostError(
                f"{', '.join(machine.host.name for machine in waiting)} did not boot within "
                f"{_BOOT_DEADLINE_S:g} s; console of {slow.host.name}: {slow.console}\n{_tail(slow.console)}"
            )
        time.sleep(0.1)


def _is_init_of(pid: int, root: Path) -> bool:
    """Whether a process is the first of the container below `root`: pid 1 in the innermost namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        spaces = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        return len(spaces) > 1 and spaces[-1] == "1" and root.exists()
    except (OSError, StopIteration):
        return False


def _tail(file: Path, lines: int = 20) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text)
    path.chmod(mode)
