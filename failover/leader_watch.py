"""Whoever takes the leader key is primary: this host's connections are led there at that moment.

HAProxy's own checks find out within their interval, and each of them is a TLS handshake with Patroni, which
cost the lab a quarter of a core at half a second (measured). So they are seldom, and this is at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kazoo.client import KazooClient

from failover.znodes import PATRONI


class LeaderWatch:
    """`watch` once. `lead` gets the key's holder, at first and after each change, and must not wait."""

    def __init__(self, client: KazooClient, databases: Iterable[str], lead: Callable[[str], None]) -> None:
        self._client, self._databases, self._lead = client, frozenset(databases), lead

    def watch(self) -> None:
        """Kazoo's watch fires anew after a lost session."""
        self._client.DataWatch(f"{PATRONI}/leader", self._changed)

    def _changed(self, data: bytes | None, _stat: object) -> None:
        """No holder, or one that this host does not know, leads nowhere: connections stay as they are."""
        holder = (data or b"").decode(errors="replace")
        if holder in self._databases:
            self._lead(holder)
