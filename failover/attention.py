"""What an agent looks at at once when a target answers no more, and what it leaves in peace.

Clock and timer are injected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from failover.model import Node
from failover.views import Signal

# Since something fell silent: as long as a loss takes to be confirmed.
ALERT_FOR_S = 3.0
# A site whose hosts were all asked at once is not asked so again within this time: of a starved site each
# question makes the next fail.
NUDGE_EVERY_S = 0.5
# For so long a host that refuses, or whose PostgreSQL has another role than before, is left in peace: Patroni
# gives a crashed primary's key away within it.
SETTLES_S = 1.0


class Watched(Protocol):
    """What attention needs of a watch."""

    signal: Signal

    def nudge(self) -> None: ...


class Attention:
    """Knows all watches by place.

    `later` calls what it is given after so many seconds. `wake` tells the peers that something is amiss,
    `changed` that the view is worth publishing at once.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        later: Callable[[float, Callable[[], None]], object],
        wake: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._monotonic, self._later, self._wake, self._changed = monotonic, later, wake, changed
        self._by_site: dict[str, list[Watched]] = defaultdict(list)
        self._by_host: dict[str, list[Watched]] = defaultdict(list)
        self._alarmed_at = float("-inf")
        self._nudged_at: dict[str, float] = {}

    def keep(self, node: Node, watch: Watched) -> None:
        self._by_site[node.site].append(watch)
        self._by_host[node.name].append(watch)

    @property
    def alert(self) -> bool:
        """Something fell silent a moment ago. Read from any thread."""
        return self._monotonic() - self._alarmed_at < ALERT_FOR_S

    def noticed(self, node: Node, signal: Signal) -> None:
        """What falls silent makes its whole site be asked at once: is it one host, or all of them?

        A refusal, or a new role, is word from a host that is there, and of PostgreSQL on the way to another
        state: five agents' handshakes with its Patroni in that moment, and their publications, are what a
        crash or a switch then waits for (docs/measurements.md).
        """
        if signal.silent:
            self._alarm(node.site)
        else:
            self._later(SETTLES_S, lambda: self._look_after(node.name))

    def _look_after(self, host: str) -> None:
        watches = self._by_host[host]
        for watch in watches:
            watch.nudge()
        if any(watch.signal.fails for watch in watches):
            self._changed()

    def _alarm(self, site: str) -> None:
        if not self.alert:
            self._wake()
        self._alarmed_at = now = self._monotonic()
        if now - self._nudged_at.get(site, float("-inf")) < NUDGE_EVERY_S:
            return
        self._nudged_at[site] = now
        for watch in self._by_site[site]:
            watch.nudge()
