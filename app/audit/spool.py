"""The spool: what was shown, on this host's disk, until the database has it.

Each process has a directory of its own below the common one, held by a lock that ends with the process.
Lines go into a segment; a segment is removed when its entries are stored. What a process that ended badly
left behind is adopted by the next one to start.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import orjson

from app.audit.model import Entry, Kind
from app.encoding import encode

LOCK = "lock"
SEGMENTS = "*.spool"


@dataclass(slots=True)
class Segment:
    """A file of entries, one JSON object a line. Written by appending; one `write` an entry."""

    path: Path
    lines: list[bytes] = field(default_factory=list)  # without their ends
    _file: int | None = None

    @classmethod
    def create(cls, path: Path) -> Segment:
        """Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return cls(path, [], os.open(path, flags, 0o600))

    def append(self, entry: Entry) -> None:
        """Survives the end of this process. Raises OSError, as when the disk is full."""
        assert self._file is not None
        line = encode(entry)
        if os.write(self._file, line + b"\n") != len(line) + 1:
            raise OSError(f"{self.path}: the disk took half a line")
        self.lines.append(line)

    def to_disk(self) -> None:
        """Survives the end of the host too. May take long. Raises OSError."""
        if self._file is not None:
            os.fsync(self._file)

    def remove(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class Spool:
    """The directory of one process."""

    directory: Path
    _lock: int
    _number: int = 0

    @classmethod
    def open(cls, common: Path, name: str) -> Spool:
        """Raises OSError."""
        directory = common / name
        directory.mkdir(mode=0o700, parents=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in (directory, common):  # so that the next one to start finds it, whatever ends this one
            _sync_directory(path)
        return cls(directory, lock)

    def segment(self) -> Segment:
        """A new one. Raises OSError."""
        self._number += 1
        return Segment.create(self.directory / f"{self._number:08}.spool")

    def close(self) -> None:
        """Gone if it is empty; else left to the next process."""
        if not list(self.directory.glob(SEGMENTS)):
            shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)


@dataclass(frozen=True, slots=True)
class Orphan:
    """What an ended process left. `torn`: lines that cannot be read, at most the last of each segment."""

    name: str
    entries: tuple[Entry, ...]
    torn: int
    _directory: Path
    _lock: int

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(self._lock)


def orphans(common: Path) -> Iterator[Orphan]:
    """What is held by no process; each is held by the caller from then on. Raises OSError."""
    for directory in sorted(path for path in common.iterdir() if (path / LOCK).exists()):
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        lines = [line for path in sorted(directory.glob(SEGMENTS)) for line in path.read_bytes().splitlines()]
        entries = [entry for entry in map(_read, lines) if entry is not None]
        yield Orphan(directory.name, tuple(entries), len(lines) - len(entries), directory, lock)


def _read(line: bytes) -> Entry | None:
    """None for a line that was torn by the end of its host."""
    try:
        fields = orjson.loads(line)
        return Entry(
            **{
                **fields,
                "id": UUID(fields["id"]),
                "at": datetime.fromisoformat(fields["at"]),
                "kind": Kind(fields["kind"]),
                "subjects": tuple(fields["subjects"]),
            }
        )
    except (ValueError, KeyError, TypeError):
        return None


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
