"""Finding and removing whatever a lab left on this machine, however it ended and whoever made it.

What is the lab's is known by its own records: its cgroups, its namespaces, its mounts, vde2's pid files, the
control sockets of its SSH connections. A lab below another TWINSITE_HOME is found by its hosts' mounts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from infra import cgroups, network, paths, processes, scheduling
from infra.command import run
from infra.mounts import Mount, mounts
from infra.wan import Wan, WanKind

Progress = Callable[[str], None]

_END_DEADLINE_S = 10.0


class LeftoversError(Exception):
    """Something of the lab cannot be removed; the message names it."""


def clear_leftovers(directory: Path, images: Path, progress: Progress) -> None:
    """End the lab's processes and remove its mounts, namespaces, routes, cgroups and files.

    Args:
        directory: the lab's; it is removed, and so is that of every other lab that still holds mounts.
        images: only mounts of unfinished builds below it are removed.
        progress: told each thing found.

    Raises:
        LeftoversError: a process survived.
    """
    directory, images = directory.resolve(), images.resolve()
    others = labs_by_mounts(mounts()) - {directory}
    for other in sorted(others):
        progress(f"found another lab at {other}")
    directories = {directory, *others}
    _end_connections(directories)
    found = _processes(directories)
    if found:
        progress(f"ending {len(found)} processes of the lab")
        _end(directories)
    _unmount([*directories, images], progress)
    if names := network.existing_namespaces():
        progress(f"removing {len(names)} network namespaces of the lab")
    network.down()
    cgroups.remove_all()
    scheduling.remove()
    for each in directories:
        if each.exists():
            shutil.rmtree(each)


def labs_by_mounts(mounted: Iterable[Mount]) -> set[Path]:
    """The directories of labs whose hosts' file systems are mounted: overlays of the lab's own shape."""
    labs = set()
    for mount in mounted:
        host = mount.point.parent
        directory = host.parent.parent
        ours = {f"upperdir={host / 'upper'}", f"workdir={host / 'work'}"}
        in_place = (mount.point.name, host.parent.name, directory.name) == ("root", "hosts", paths.lab().name)
        if mount.kind == "overlay" and in_place and ours <= mount.options:
            labs.add(directory)
    return labs


def _end_connections(directories: Iterable[Path]) -> None:
    """Ansible keeps its SSH connections open for the next run; each has a socket to tell it to end."""
    for directory in directories:
        for control in paths.ssh_connections(directory).glob("*"):
            # The name after the options is needed and means nothing; a dead one's socket is just a file.
            run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "lab"], check=False, timeout=10)


def _processes(directories: Iterable[Path]) -> set[int]:
    links = {pid for each in directories for pid in Wan(WanKind.WIREFILTER, each / "wan").pids()}
    return cgroups.all_processes() | network.processes_inside() | links


def _end(directories: Iterable[Path]) -> None:
    cgroups.thaw_all()
    if survivors := processes.kill_all(lambda: _processes(directories), deadline_s=_END_DEADLINE_S):
        raise LeftoversError(f"processes {sorted(survivors)} of the lab survived SIGKILL")


def _unmount(directories: Iterable[Path], progress: Progress) -> None:
    points = [each.point for each in mounts() if any(each.point.is_relative_to(d) for d in directories)]
    if points:
        progress(f"unmounting {len(points)} file systems of the lab")
    for point in reversed(points):
        run(["umount", "--lazy", str(point)])
