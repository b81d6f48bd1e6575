"""Where the hosts' disks lie: in this machine's memory, or on its disk.

Why memory is the better one: docs/decisions/0002-disks-in-memory.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infra.command import run

_MEMINFO = Path("/proc/meminfo")
_KIB_PER_GIB = 1 << 20

# What nine hosts' processes and an operator's work take beside the disks, and the least that the disks of
# a lab with some drills behind it must find room in (measured: docs/decisions/0002-disks-in-memory.md).
_PROCESSES_GIB = 6
_DISKS_GIB = 6


class StorageError(Exception):
    """The inventory's `lab_storage` is no storage, or this machine cannot provide it."""


class Storage(StrEnum):
    """What holds the hosts' file systems."""

    MEMORY = "memory"
    DISK = "disk"


@dataclass(frozen=True)
class Disks:
    """The chosen storage; `limit_gib` is how much the hosts may write in all, 0: what the disk holds."""

    storage: Storage
    limit_gib: int = 0

    def describe(self) -> str:
        if self.storage is Storage.MEMORY:
            return f"in this machine's memory, up to {self.limit_gib} GiB in all"
        return "on this machine's disk"


def choose(wanted: str, available_gib: float) -> Disks:
    """Decide where the hosts' disks lie.

    Args:
        wanted: the inventory's `lab_storage`: `memory`, `disk`, or `auto`: memory where there is enough.
        available_gib: the memory that this machine could give away now.

    Raises:
        StorageError: another word, or too little memory for `memory`.
    """
    if wanted not in {"auto", *Storage}:
        raise StorageError(f"lab_storage: {wanted!r} is none of auto, {', '.join(Storage)}")
    limit = int(available_gib) - _PROCESSES_GIB
    if wanted != Storage.DISK and limit >= _DISKS_GIB:
        return Disks(Storage.MEMORY, limit)
    if wanted == Storage.MEMORY:
        raise StorageError(
            f"lab_storage: memory needs {_PROCESSES_GIB + _DISKS_GIB} GiB of memory available, this machine "
            f"has {available_gib:.1f}; set it to `disk` (or `auto`)"
        )
    return Disks(Storage.DISK)


def available_gib() -> float:
    """The memory that could be given away without swapping (MemAvailable, proc_meminfo(5)), in GiB."""
    line = next(line for line in _MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) / _KIB_PER_GIB


def prepare(directory: Path, disks: Disks, volumes: int) -> None:
    """Make the directory of the hosts' file systems. Repeatable; whoever clears the lab unmounts it.

    In memory it gets one part of the limit, and each of the `volumes` of its own as much (`Volume`).
    """
    directory.mkdir(parents=True, exist_ok=True)
    if disks.storage is Storage.MEMORY and not os.path.ismount(directory):
        options = f"size={(disks.limit_gib << 10) // (volumes + 1)}m,mode=755"
        run(["mount", "-t", "tmpfs", "-o", options, "twinsite-lab", str(directory)])
