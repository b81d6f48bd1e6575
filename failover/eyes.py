"""All watches of one agent, and the view that they add up to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from failover.agent_config import AgentConfig
from failover.attention import Attention
from failover.heartbeats import Heartbeats
from failover.model import PATRONI_PORT, POSTGRESQL_PORT, Node
from failover.probing import Watch, about
from failover.targets import PRIMARY, RestTarget, SqlTarget, Target, TcpTarget
from failover.views import AgentView, DatabaseView, Outcome, PeerView, Signal


class Eyes:
    """Probes databases and peers for ever. `changed` is called when the view is worth publishing at once."""

    def __init__(self, config: AgentConfig, changed: Callable[[], None]) -> None:
        self._config = config
        self._changed = changed
        peers = tuple(node for node in config.observers if node.name != config.name)
        addresses = {node.name: node.address for node in peers}
        self.heartbeats = Heartbeats(
            config.name, addresses, config.heartbeat_port, time.monotonic, woken=changed
        )
        self._attention = Attention(
            time.monotonic,
            later=lambda after_s, look: asyncio.get_running_loop().call_later(after_s, look),
            wake=self.heartbeats.wake,
            changed=changed,
        )
        tls, pace, port = config.tls(), config.pace, config.heartbeat_port
        limit = pace.timeout_s

        def seldom(_: Signal) -> float:
            return about(pace.slow_s)

        self._databases = {
            node.name: (
                self._watch(node, RestTarget(node.address, PATRONI_PORT, tls, limit), seldom),
                self._watch(
                    node,
                    SqlTarget(config.conninfo(node.address), node.address, POSTGRESQL_PORT, limit),
                    lambda signal: pace.interval_s if signal.detail == PRIMARY else about(pace.calm_s),
                ),
            )
            for node in config.layout.databases
        }
        self._peers = {
            node.name: self._watch(node, TcpTarget(node.address, port, limit), seldom) for node in peers
        }

    def _watch(self, node: Node, target: Target, every_s: Callable[[Signal], float]) -> Watch:
        watch = Watch(
            target,
            self._config.pace,
            time.monotonic,
            self._changed,
            alarmed=lambda signal: self._attention.noticed(node, signal),
            every_s=every_s,
        )
        self._attention.keep(node, watch)
        return watch

    @property
    def alert(self) -> bool:
        return self._attention.alert

    async def is_primary(self, host: str) -> bool:
        """Asks PostgreSQL there now."""
        probed = await self._databases[host][1].ask()
        return probed.outcome is Outcome.ANSWERS and probed.detail == PRIMARY

    def watches(self) -> tuple[Watch, ...]:
        pairs = [watch for pair in self._databases.values() for watch in pair]
        return (*pairs, *self._peers.values())

    def view(self, incarnation: str, sequence: int, epoch: int) -> AgentView:
        return AgentView(
            observer=self._config.name,
            site=self._config.me.site,
            incarnation=incarnation,
            sequence=sequence,
            epoch=epoch,
            databases=tuple(
                DatabaseView(host, rest.signal, sql.signal, rest.report)
                for host, (rest, sql) in self._databases.items()
            ),
            peers=tuple(
                PeerView(host, watch.signal, self.heartbeats.heard_ms(host))
                for host, watch in self._peers.items()
            ),
        )
