"""What is mounted on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mounts (proc_pid_mounts(5))."""

    point: Path
    kind: str
    options: frozenset[str]


def mounts() -> tuple[Mount, ...]:
    """All of them, in the order of mounting."""
    return tuple(_mount(line) for line in _MOUNTS.read_text().splitlines())


def _mount(line: str) -> Mount:
    _, point, kind, options, *_ = line.split()
    return Mount(Path(_unescaped(point)), kind, frozenset(_unescaped(options).split(",")))


def _unescaped(text: str) -> str:
    r"""Space, tab, newline and backslash stand there as \040, \011, \012 and \134."""
    for octal in ("040", "011", "012", "134"):
        text = text.replace(f"\\{octal}", chr(int(octal, 8)))
    return text
