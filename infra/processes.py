"""Processes as /proc tells them; those of a host are seen, and can be signalled, from the outer machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_STATE, _STARTED = 2, 21  # state and starttime (clock ticks since boot) in /proc/PID/stat (proc_pid_stat(5))
_OVER = {"Z", "X"}


def oldest(pids: Iterable[int], program: str) -> int | None:
    """The one of these processes with this name (comm: 15 characters) that runs longest; None without any."""
    found = [(age, pid) for pid in pids if (age := _started(pid, program[:15])) is not None]
    return min(found)[1] if found else None


def kill(pid: int) -> None:
    """Send SIGKILL; one that has ended since it was seen is what was wanted."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Dying:
    """Processes until they are over.

    The kernel takes one off its cgroup's list as soon as it begins to end. Its files, locks, mounts and
    namespaces it lets go of after that, on a busy machine well after; whoever goes on at once meets them.
    """

    def __init__(self) -> None:
        self._born: dict[int, int] = {}

    def watch(self, pids: Iterable[int]) -> None:
        for pid in pids:
            if (born := _born(pid)) is not None:
                self._born.setdefault(pid, born)

    def still(self) -> set[int]:
        """Those that are not over; a number that another process bears by now is none of them."""
        return {pid for pid, born in self._born.items() if _born(pid) == born}


def kill_all(find: Callable[[], set[int]], *, deadline_s: float) -> set[int]:
    """Kill until `find` finds nothing more, also what the dying still start; return the survivors."""
    deadline = time.monotonic() + deadline_s
    dying = Dying()
    while (found := find() | dying.still()) and time.monotonic() < deadline:
        dying.watch(found)
        for pid in found:
            kill(pid)
        time.sleep(0.05)
    return found


def _started(pid: int, program: str) -> int | None:
    """When it started; None when it is gone, over, or another program."""
    name, fields = _stat(pid)
    return int(fields[_STARTED]) if name == program and fields[_STATE] not in _OVER else None


def _born(pid: int) -> int | None:
    """When it started; None when it is gone or over: a zombie holds nothing any more."""
    _, fields = _stat(pid)
    return int(fields[_STARTED]) if fields and fields[_STATE] not in _OVER else None


def _stat(pid: int) -> tuple[str, list[str]]:
    """The name, and the fields of /proc/PID/stat; empty both when it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return "", []
    # The name stands in parentheses and may hold anything, also parentheses and spaces.
    before, _, after = stat.rpartition(")")
    name = before.partition("(")[2]
    return name, [str(pid), name, *after.split()]
