"""Where a host's processes are kept: cgroups of its own, versions 1 (also hybrid) and 2.

So that a host can be frozen whole, and so that its systemd keeps its units apart from those of other hosts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from infra.command import run

_FREEZE_DEADLINE_S = 5.0
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
    """Make a host's groups; freezing works from then on."""
    for group in _groups_of(host):
        group.mkdir(parents=True, exist_ok=True)


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
    found: set[int] = set()
    for file in group_of(host).rglob("cgroup.procs"):
        found.update(int(pid) for pid in file.read_text().split())
    return found


def all_processes() -> set[int]:
    """Every process of every host that this machine runs."""
    return processes("")


def thaw_all() -> None:
    """Let every frozen host run on: a frozen process cannot die."""
    for group in group_of("").glob("*/"):
        thaw(group.name)


def remove_all() -> None:
    """Remove the groups of all hosts; they are empty once the processes are gone."""
    for group in _groups_of(""):
        if group.exists():
            run(["find", str(group), "-depth", "-type", "d", "-delete"], check=False)
