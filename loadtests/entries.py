"""The sites' entries as one client knows them: which works, which is preferred, when to look again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

# How long a client that had to leave its preferred entry stays away before it looks there again.
RETURN_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, e.g. ``Entry("dc1", "https://10.77.1.10")``. The name is the history's `route`."""

    name: str
    url: str

    @staticmethod
    def parse(text: str) -> Entry:
        """Read ``NAME=URL``; raise `ValueError` when it is anything else."""
        name, separator, url = text.partition("=")
        if not separator or not name or not url.startswith(("http://", "https://")):
            raise ValueError(f"an entry is NAME=URL with http:// or https://, not {text!r}")
        return Entry(name, url.rstrip("/"))


class Entries:
    """An ordered list of entries, the preferred one first, and the one in use."""

    def __init__(self, entries: Sequence[Entry], rng: random.Random) -> None:
        if not entries:
            raise ValueError("at least one entry is needed")
        self._entries = tuple(entries)
        self._rng = rng
        self._index = 0
        self._look_at_s = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def current(self) -> Entry:
        return self._entries[self._index]

    @property
    def preferred(self) -> Entry:
        return self._entries[0]

    def failed(self, entry: Entry, now_s: float) -> None:
        """Pass on to the next entry, unless someone who shares this list did already."""
        if entry is not self.current:
            return
        self._index = (self._index + 1) % len(self._entries)
        self._stay_away(now_s)

    def may_return(self, now_s: float) -> bool:
        """Tell whether it is time to look whether the preferred entry works again."""
        return self._index != 0 and now_s >= self._look_at_s

    def returned(self) -> None:
        """Use the preferred entry again."""
        self._index = 0

    def still_failing(self, now_s: float) -> None:
        """Note that the preferred entry does not work yet."""
        self._stay_away(now_s)

    def _stay_away(self, now_s: float) -> None:
        self._look_at_s = now_s + RETURN_AFTER_S * self._rng.uniform(0.75, 1.25)
