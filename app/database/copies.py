"""Whether a commit has a copy in another site: what the primary says after it, and the agent's gate before.

The guarantee rests on the primary alone. Patroni's synchronous set is PostgreSQL's own setting, and the
session that committed reads it right after its COMMIT, in the same round trip (decision 0402).
The gate, a file that the orchestrator's agent on this host keeps, only makes refusals prompt.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# Read on the primary in the session that committed, so after the wait for the standbys that were named then.
SYNCHRONOUS = "current_setting('synchronous_standby_names')"
SELECT_SYNCHRONOUS = f"SELECT {SYNCHRONOUS}"

_LIST = re.compile(r"(?:(?:first|any)\s+)?\d+\s*\((?P<names>.*)\)", re.IGNORECASE | re.DOTALL)
READ_EVERY_SECONDS = 0.05
# The agent writes its file every second; three times that, and it says nothing any more.
FRESH_SECONDS = 3.0


class Durability(StrEnum):
    """What a write is worth while no other site has a copy of it."""

    UNCHECKED = "unchecked"
    AVAILABLE = "available"
    STRICT = "strict"


def synchronous_names(setting: str) -> tuple[str, ...]:
    """The standbys that a commit waits for, all of them (priority mode as Patroni sets it); () for none.

    `*` names nobody: any walsender would do, one in the primary's own site too.
    """
    listed = _LIST.fullmatch(setting.strip())
    names = (listed["names"] if listed else setting).split(",")
    bare = (name.strip().strip('"') for name in names)
    return tuple(name for name in bare if name and name != "*")


@dataclass(frozen=True, slots=True)
class Sites:
    """Where every database host stands, by member name and by address."""

    of: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Sites:
        """Reads "dc1-db1=dc1 10.0.1.21=dc1 …". Raises ValueError."""
        pairs = [item.partition("=") for item in text.split()]
        if wrong := [f"{name}{equals}{site}" for name, equals, site in pairs if not (name and site)]:
            raise ValueError(f"expected NAME=SITE, got {', '.join(wrong)}")
        return cls({name: site for name, _, site in pairs})

    def has_remote_copy(self, node: str | None, synchronous: str) -> bool:
        """Whether a commit on this node waits for another site's standby. What is not known is no copy."""
        home = self.of.get(node or "")
        if home is None:
            return False
        return any(self.of.get(name, home) != home for name in synchronous_names(synchronous))


class Gate:
    """The agent's word on this host, read at most every 50 ms. It can only close.

    A file that is missing, unreadable or older than three seconds says nothing: an agent that is away neither
    closes nor opens anything, and the look at the primary decides alone. Times are CLOCK_MONOTONIC, which all
    processes of a host share.
    """

    def __init__(self, path: Path | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._read_at = float("-inf")
        self._closed = False

    @property
    def closed(self) -> bool:
        now = self._monotonic()
        if now - self._read_at >= READ_EVERY_SECONDS:
            self._read_at, self._closed = now, self._says_closed(now)
        return self._closed

    def _says_closed(self, now: float) -> bool:
        if self._path is None:
            return False
        try:
            said = json.loads(self._path.read_bytes())
            return said["writes"] == "closed" and 0 <= now - float(said["monotonic_s"]) <= FRESH_SECONDS
        except (OSError, ValueError, KeyError, TypeError):
            return False
