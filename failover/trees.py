"""Whether every ZooKeeper server has its leader's tree: the agent in office asks all, now and then."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence

from failover.model import Node, ZooKeeperState
from failover.observe.zookeeper import ask_servers

log = logging.getLogger(__name__)

# What diverged stays so until somebody acts: soon enough, and some dozen handshakes a minute.
ASKED_EVERY_S = 15.0
ANSWERS_WITHIN_S = 5.0


class TreeWatch:
    """`counted` and `diverged` never wait: they tell what the last round found, nothing out of office."""

    def __init__(self, servers: Sequence[Node], tls: ssl.SSLContext, in_office: Callable[[], bool]) -> None:
        self._servers, self._tls, self._in_office = servers, tls, in_office
        self._counted: Mapping[str, int] = {}

    @property
    def counted(self) -> Mapping[str, int]:
        """Digest mismatches by host, of the servers that answered."""
        return self._counted

    def diverged(self) -> Mapping[str, int]:
        """Those that have any."""
        return {host: count for host, count in self._counted.items() if count}

    def watch(self, stopping: threading.Event) -> None:
        """Until `stopping` is set. A server that does not answer is another finding's matter."""
        while not stopping.wait(ASKED_EVERY_S):
            try:
                self._counted = self._ask() if self._in_office() else {}
            except Exception:
                log.exception("the watch over ZooKeeper's trees stumbled; it goes on with the next round")

    def _ask(self) -> Mapping[str, int]:
        found = ask_servers(self._servers, self._tls, ANSWERS_WITHIN_S)
        return {
            host: state.digest_mismatches
            for host, state in found.items()
            if isinstance(state, ZooKeeperState)
        }
