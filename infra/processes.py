"""Processes as /proc tells them; those of a host are seen, and can be signalled, from the outer machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 21  # starttime, the 22nd field of /proc/PID/stat (proc_pid_stat(5)), in clock ticks since boot


def oldest(pids: Iterable[int], program: str) -> int | None:
    """The one of these processes with this name (comm: 15 characters) that runs longest; None without any."""
    found = [(age, pid) for pid in pids if (age := _started(pid, program[:15])) is not None]
    return min(found)[1] if found else None


def kill(pid: int) -> None:
    """Send SIGKILL; one that has ended since it was seen is what was wanted."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_all(find: Callable[[], set[int]], *, deadline_s: float) -> set[int]:
    """Kill until `find` finds nothing more, also what the dying still start; return the survivors."""
    deadline = time.monotonic() + deadline_s
    while (found := find()) and time.monotonic() < deadline:
        for pid in found:
            kill(pid)
        time.sleep(0.05)
    return found


def _started(pid: int, program: str) -> int | None:
    """When it started; None when it is gone, ending, or another program."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, also parentheses and spaces.
    before, _, after = stat.rpartition(")")
    fields = [str(pid), before.partition("(")[2], *after.split()]
    state = fields[2]
    return int(fields[_STARTED]) if fields[1] == program and state not in {"Z", "X"} else None
