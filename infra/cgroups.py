"""Where a host's processes are kept: cgroups of its own, versions 1 (also hybrid) and 2.

So that a host can be frozen whole, and so that its systemd keeps its units apart from those of other hosts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from infra.command import run

# A process that waits for a slow disk freezes when the disk has answered.
_FREEZE_DEADLINE_S = 20.0
_REMOVAL_DEADLINE_S = 10.0
_V1 = Path("/sys/fs/cgroup/freezer")
_V2 = Path("/sys/fs/cgroup")
# Where a hybrid machine's systemd, and so each host's, keeps its units. Hosts that share a place here remove
# each other's directories: units then fail with "Failed to spawn executor".
_V1_OF_SYSTEMD = (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))
_GROUP = "twinsite"


class FreezeError(Exception):
    """The kernel did not freeze or thaw a host in time."""


def _is_v1() -> bool:
    return (_V1 / "cgroup.procs").exists()


def group_of(host: str) -> Path:
    """The directory of a host's cgroup."""
    return (_V1 if _is_v1() else _V2) / _GROUP / host


def _groups_of(host: str) -> list[Path]:
    """The host's directory in every hierarchy that concerns it; the freezer's first."""
    of_systemd = [
        root / _GROUP / host for root in _V1_OF_SYSTEMD if _is_v1() and (root / "cgroup.procs").exists()
    ]
    return [group_of(host), *of_systemd]


def enter_command(host: str) -> str:
    """A shell line that moves the shell into the host's groups, for what it executes afterwards."""
    return " && ".join(f"echo $$ > {group}/cgroup.procs" for group in _groups_of(host))


def make(host: str) -> None:
    """Make a host's groups; freezing works from then on.

    Raises:
        FreezeError: this machine mounts no hierarchy that can freeze (the directories are plain ones).
    """
    for group in _groups_of(host):
        group.mkdir(parents=True, exist_ok=True)
    if not (group_of(host) / "cgroup.procs").exists():
        raise FreezeError(
            f"{group_of(host)} is no cgroup: this machine mounts neither version 2 at {_V2} nor version 1's "
            f"freezer at {_V1}; mount one of them"
        )


def freeze(host: str) -> None:
    """Stop every process of the host where it stands, as a paused virtual machine does.

    Raises:
        FreezeError: some process did not stop in time.
    """
    _set(host, frozen=True)


def thaw(host: str) -> None:
    """Let a frozen host run on; harmless on a running one.

    Raises:
        FreezeError: some process did not run on in time.
    """
    if group_of(host).exists():
        _set(host, frozen=False)


def is_frozen(host: str) -> bool:
    group = group_of(host)
    if not group.exists():
        return False
    if _is_v1():
        return (group / "freezer.state").read_text().strip() != "THAWED"
    return "frozen 1" in (group / "cgroup.events").read_text()


def _set(host: str, *, frozen: bool) -> None:
    group = group_of(host)
    if _is_v1():
        file, wanted = group / "freezer.state", "FROZEN" if frozen else "THAWED"
        _write_until(file, wanted, lambda: file.read_text().strip() == wanted)
    else:
        file = group / "cgroup.freeze"
        _write_until(file, str(int(frozen)), lambda: is_frozen(host) is frozen)


def _write_until(file: Path, value: str, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _FREEZE_DEADLINE_S
    file.write_text(value)
    while not reached():
        if time.monotonic() > deadline:
            raise FreezeError(f"{file} did not become {value} within {_FREEZE_DEADLINE_S:g} s")
        time.sleep(0.01)


def processes(host: str) -> set[int]:
    """Every process in the host's group and below it."""
    return _processes_below(group_of(host))


def processes_of_unit(host: str, unit: str) -> set[int]:
    """Every process in the group that the host's systemd keeps for a unit (`.service` may be left out)."""
    name = unit if "." in unit else f"{unit}.service"
    found: set[int] = set()
    for group in _groups_of(host):
        for directory, _, _ in os.walk(group):
            if Path(directory).name == name:
                found |= _processes_below(Path(directory))
    return found


def _processes_below(group: Path) -> set[int]:
    """Groups come and go while one looks: those of a host's units with version 2, as the units end."""
    found: set[int] = set()
    for directory, _, _ in os.walk(group):
        # ENOENT, ENODEV: gone meanwhile. EOPNOTSUPP: a threaded group; its domain's file has its processes.
        with suppress(OSError):
            found.update(int(pid) for pid in (Path(directory) / "cgroup.procs").read_text().split())
    return found


def all_processes() -> set[int]:
    """Every process of every host that this machine runs."""
    return processes("")


def thaw_all() -> None:
    """Let every frozen host run on: a frozen process cannot die."""
    for group in group_of("").glob("*/"):
        thaw(group.name)


def remove_all() -> None:
    """Remove the groups of all hosts; they are empty once the processes are gone.

    Raises:
        CommandError: some process is still in one.
    """
    for group in _groups_of(""):
        if group.exists():
            _remove(group)


def _remove(group: Path) -> None:
    """The kernel keeps a group busy for a moment longer than its list of processes shows (EBUSY)."""
    removal = ["find", str(group), "-depth", "-type", "d", "-delete"]
    deadline = time.monotonic() + _REMOVAL_DEADLINE_S
    while run(removal, check=False).returncode != 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    if group.exists():
        run(removal)
