"""The list of what is broken now, on disk: what a killed command broke can be mended by the next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.faults import (
    Degradation,
    Direction,
    DiskFull,
    Fault,
    Freeze,
    Isolation,
    LinkCut,
    Manner,
    PowerCut,
    ProcessKill,
    UnitStop,
)
from infra.topology import LinkQuality

_KINDS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (PowerCut, Freeze, UnitStop, ProcessKill, LinkCut, Isolation, Degradation, DiskFull)
}


@dataclass(frozen=True)
class Entry:
    """A fault, and whether somebody has begun to mend it: then the network no longer shows it."""

    fault: Fault
    mending: bool = False


@dataclass(frozen=True)
class FaultBook:
    """One file. Whoever writes holds the lab's lock."""

    path: Path

    def read(self) -> tuple[Fault, ...]:
        """All that is not mended yet."""
        return tuple(entry.fault for entry in self._entries())

    def standing(self) -> tuple[Fault, ...]:
        """What is broken and meant to stay so for now."""
        return tuple(entry.fault for entry in self._entries() if not entry.mending)

    def add(self, faults: Iterable[Fault]) -> None:
        """List them as standing, also those that somebody had begun to mend."""
        new = tuple(dict.fromkeys(faults))
        self._write([*(entry for entry in self._entries() if entry.fault not in new), *map(Entry, new)])

    def begin_mending(self, faults: Iterable[Fault]) -> None:
        """Mark those of them that are listed."""
        begun = set(faults)
        self._write([Entry(e.fault, e.mending or e.fault in begun) for e in self._entries()])

    def remove(self, fault: Fault) -> None:
        self._write([entry for entry in self._entries() if entry.fault != fault])

    def _entries(self) -> tuple[Entry, ...]:
        if not self.path.exists():
            return ()
        return tuple(_from_json(held) for held in json.loads(self.path.read_text()))

    def _write(self, entries: Sequence[Entry]) -> None:
        writing = self.path.with_suffix(".writing")
        lines = [{"kind": type(e.fault).__name__, "mending": e.mending, **asdict(e.fault)} for e in entries]
        writing.write_text(json.dumps(lines, indent=1))
        writing.rename(self.path)


def _from_json(line: dict[str, Any]) -> Entry:
    held: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in line.items()}
    kind, mending = _KINDS[held.pop("kind")], bool(held.pop("mending"))
    if "direction" in held:
        held["direction"] = Direction(held["direction"])
    if "manner" in held:
        held["manner"] = Manner(held["manner"])
    if "quality" in held:
        held["quality"] = LinkQuality(**held["quality"])
    return Entry(kind(**held), mending)
