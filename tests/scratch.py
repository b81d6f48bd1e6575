"""Where the tests keep their files, the data of their servers included: in memory where there is room.

What they prove has nothing to do with a disk, and a disk that stands still for seconds would be found as a
fault of what they test. Each run has a directory of its own, which it holds locked and removes. What a killed
run left is found by its lock, which nobody holds any more: the next removes it, and ends the servers in it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infra.storage import available_gib

MEMORY = Path("/dev/shm")
GIB = 1 << 30
ROOM = 4 * GIB
# What the tests and their servers need besides.
RESERVE = 3 * GIB
END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a machine offers, in bytes."""

    writable: bool  # files can be made there, and programs run
    free: int
    memory: int  # that processes and these files may still take together


def place(found: Found) -> Path:
    """The directory in which runs make theirs."""
    if found.writable and found.free >= ROOM and found.memory >= ROOM + RESERVE:
        return MEMORY
    return Path(tempfile.gettempdir())


def this_machine() -> Found:
    try:
        system = os.statvfs(MEMORY)
    except OSError:
        return Found(writable=False, free=0, memory=0)
    return Found(
        writable=os.access(MEMORY, os.W_OK | os.X_OK) and not system.f_flag & os.ST_NOEXEC,
        free=system.f_bavail * system.f_frsize,
        memory=min([int(available_gib() * GIB), *_left_of_limits()]),
    )


def _left_of_limits() -> Iterator[int]:
    """What a container's limit leaves, in either version of cgroups."""
    for root, limit, taken, cached in (
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):  # no such version; "max": no limit
            most, used = (int(Path(root, name).read_text()) for name in (limit, taken))
            figures = dict(line.split() for line in Path(root, "memory.stat").read_text().splitlines())
            yield most - used + int(figures.get(cached, 0))


@contextmanager
def own_directory() -> Iterator[Path]:
    """This run's, and of every process that it starts. Clears first what killed runs left."""
    for root in {MEMORY, Path(tempfile.gettempdir())}:
        clear(root)
    with held(place(this_machine())) as directory:
        before, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), str(directory)
        tempfile.tempdir = None  # it had been read already
        try:
            yield directory
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before
            tempfile.tempdir = None


@contextmanager
def held(root: Path) -> Iterator[Path]:
    """A new directory under `root`, locked as long as this process lives, removed in the end."""
    lock = None
    while lock is None:  # another run may take a new one for a dead run's, once
        directory = Path(tempfile.mkdtemp(prefix=_prefix(), dir=root))
        lock = _lock(directory)
    try:
        directory.chmod(0o711)  # servers run as other users, each in a directory that is its own
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def clear(root: Path) -> None:
    """Remove what killed runs of this user left under `root`, once what they started has been ended."""
    for directory in root.glob(f"{_prefix()}*"):
        with suppress(OSError):  # another run has just removed it
            if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
                continue
            if (lock := _lock(directory)) is not None:
                _end(directory)
                shutil.rmtree(directory, ignore_errors=True)
                os.close(lock)


def _prefix() -> str:
    return f"twinsite-tests-{os.geteuid()}-"


def _lock(directory: Path) -> int | None:
    """Held until it is closed; None when another process holds it, or has removed the directory."""
    with suppress(FileNotFoundError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), directory.stat()):
                return descriptor
        os.close(descriptor)
    return None


def _end(directory: Path) -> None:
    """End what runs in it: first as PostgreSQL ends at once and leaves nothing, then in any case."""
    for how in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + END_SECONDS
        for pid in _running_in(directory):
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        while _running_in(directory) and time.monotonic() < deadline:
            time.sleep(0.05)


def _running_in(directory: Path) -> Sequence[int]:
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # somebody else's, or it has ended
            if link.readlink().is_relative_to(directory):
                found.append(int(link.parent.name))
    return found
