"""What machine this is, from /proc: a figure means nothing without it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from failover.drills.verdict import Machine


def this_machine(disks: str = "") -> Machine:
    """Return processor, usable cores, memory, kernel and distribution, and `disks` as given."""
    return Machine(
        cpu=_field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=platform.release(),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        disks=disks,
    )


def _field(path: Path, name: str) -> str | None:
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
