"""Finding and removing whatever a lab left on this machine, however it ended and whichever checkout made it.

What is the lab's is known by its own records: its cgroups, its namespaces, its mounts, vde2's pid files.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from infra import cgroups, network
from infra.command import run
from infra.wan import Wan, WanKind

Progress = Callable[[str], None]

_END_DEADLINE_S = 10.0


class LeftoversError(Exception):
    """Something of the lab cannot be removed; the message names it."""


def clear_leftovers(directory: Path, images: Path, progress: Progress) -> None:
    """End the lab's processes and remove its mounts, namespaces, routes, cgroups and files.

    Args:
        directory: the lab's; it is removed.
        images: only mounts of unfinished builds below it are removed.
        progress: told each thing found.

    Raises:
        LeftoversError: a process survived.
    """
    found = _processes(directory)
    if found:
        progress(f"ending {len(found)} processes of the lab")
        _end(found, directory)
    mounts = [*_mounts_below(directory), *_mounts_below(images)]
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


def _processes(directory: Path) -> set[int]:
    links = Wan(WanKind.WIREFILTER, directory / "wan").pids()
    return cgroups.all_processes() | network.processes_inside() | links


def _end(pids: set[int], directory: Path) -> None:
    deadline = time.monotonic() + _END_DEADLINE_S
    cgroups.thaw_all()
    while pids:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LeftoversError(f"processes {sorted(pids)} of the lab survived SIGKILL")
        time.sleep(0.05)
        pids = _processes(directory)


def _mounts_below(directory: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return sorted((p for p in points if Path(p).is_relative_to(directory)), reverse=True)
