"""Brings an agent's session back to a ZooKeeper server of its own site.

A session moves on when its server restarts, and kazoo leaves it where it found a place. The witness's agent
was heard through a data site then, and when that was lost it had no voice for six seconds, although one would
have confirmed the loss (a drill after a rolling restart).
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from failover.model import Node, ZooKeeperState
from failover.observe.zookeeper import ask_servers

log = logging.getLogger(__name__)

# The way back interrupts the session for some milliseconds: not at every hiccup, and soon enough.
LOOKS_EVERY_S = 10.0
ANSWERS_WITHIN_S = 2.0


class Line(Protocol):
    """The connection that carries the session."""

    def peer(self) -> str | None:
        """The address of its server; None while there is none."""

    def move_to(self, addresses: Collection[str]) -> None:
        """Ends it. The session goes on over the next, made to one of these if one answers."""


class Homing:
    """`near`: the servers of the own site."""

    def __init__(
        self, line: Line, near: Sequence[Node], serves: Callable[[Node], bool], busy: Callable[[], bool]
    ) -> None:
        """`busy`: something is going on for which no connection may be given up."""
        self._line, self._near, self._serves, self._busy = line, near, serves, busy

    def watch(self, stopping: threading.Event) -> None:
        """Until `stopping` is set."""
        while not stopping.wait(LOOKS_EVERY_S):
            try:
                self.look()
            except Exception:
                log.exception("the way back to a near ZooKeeper server failed; it is tried again")

    def look(self) -> None:
        peer, near = self._line.peer(), [node.address for node in self._near]
        if peer is None or peer in near or self._busy():
            return
        if back := next((node for node in self._near if self._serves(node)), None):
            log.info("%s serves again: leaving the ZooKeeper server at %s", back.name, peer)
            self._line.move_to(near)


def server_serves(tls: ssl.SSLContext) -> Callable[[Node], bool]:
    """A function that asks a server whether it has a quorum."""

    def serves(node: Node) -> bool:
        found = ask_servers((node,), tls, ANSWERS_WITHIN_S)
        return isinstance(found[node.name], ZooKeeperState)

    return serves
