"""The agent: watches every host, publishes its view, obeys orders on its pool and, if elected, acts.

Probing and publishing run in asyncio; kazoo and the brain in threads of their own, so that a slow ZooKeeper
never delays a probe and a running operation never ages this agent's view.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import KeeperState

from failover.agent_config import AgentConfig
from failover.brain import Brain
from failover.decide import Mode
from failover.duties import Duties, ZooKeeperTrouble
from failover.estate_reader import VIEWS
from failover.eyes import Eyes
from failover.homing import Homing, server_serves
from failover.journal_store import open_operation
from failover.leader_seat import leader_seat
from failover.leader_watch import LeaderWatch
from failover.order_desk import OrderDesk
from failover.pool_gate import PoolGate
from failover.probing import about
from failover.systemd import notify
from failover.views import AgentView, encode
from failover.znodes import ANSWER_S

log = logging.getLogger(__name__)

# Between two decisions in office; between two looks whether the office is free; and between two decisions
# while this agent's own probes have begun to fail, for as long as a loss takes to be confirmed.
TICK_S, IDLE_TICK_S = 0.2, 0.5
ALERT_TICK_S = 0.05
# The loop answers its own threads within this, or they ask again.
PROMOTION_ANSWER_S = 1.0


# A client in one of these has no thread left that would connect it again: kazoo ends it at what it does not
# expect (`Unhandled exception in connection loop`), and an agent that went on would see and say nothing.
GIVEN_UP = (KeeperState.CLOSED, KeeperState.AUTH_FAILED)


class ClientEndedError(RuntimeError):
    """The agent has no way to ZooKeeper, and will have none."""


class Publisher:
    """Keeps this agent's view in ZooKeeper as an ephemeral znode. Called from one thread at a time."""

    def __init__(self, client: KazooClient, name: str) -> None:
        self._client = client
        self._path = f"{VIEWS}/{name}"
        self._session: int | None = None

    def publish(self, view: AgentView) -> None:
        """Raises kazoo's errors: the view is then simply old, and stops counting."""
        if (identity := self._client.client_id) is None:
            return  # no connection
        session = int(identity[0])
        if self._session != session:
            self._create(session)
        try:
            self._client.set_async(self._path, encode(view)).get(timeout=ANSWER_S)
        except NoNodeError:
            self._session = None  # somebody took it away: the next view makes it anew

    def _create(self, session: int) -> None:
        """The znode must end with our session. One left by our last session is taken away."""
        stat = self._client.exists_async(self._path).get(timeout=ANSWER_S)
        if stat is not None and stat.ephemeralOwner != session:
            with contextlib.suppress(NoNodeError):
                self._client.delete_async(self._path).get(timeout=ANSWER_S)
        if stat is None or stat.ephemeralOwner != session:
            created = self._client.create_async(self._path, ephemeral=True, makepath=True)
            created.get(timeout=ANSWER_S)
        self._session = session


class Agent:
    """Wires eyes, publisher and brain together and runs them until cancelled."""

    def __init__(
        self,
        config: AgentConfig,
        client: KazooClient,
        brain: Brain,
        gate: PoolGate | None,
        *,
        epoch: Callable[[], int],
        duties: Duties,
    ) -> None:
        self._config, self._client, self._brain, self._gate, self._epoch = config, client, brain, gate, epoch
        self._duties = duties
        self._wake = asyncio.Event()
        self._eyes = Eyes(config, self._wake.set)
        self._publisher = Publisher(client, config.name)
        self._stopping = threading.Event()
        self._restless = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        port = self._config.heartbeat_port
        await loop.create_datagram_endpoint(
            lambda: self._eyes.heartbeats, local_addr=(self._config.me.address, port)
        )
        server = await asyncio.start_server(_hang_up, self._config.me.address, port)
        if self._gate is not None:
            await asyncio.to_thread(self._gate.begin)
            # A pause is proven by the next view: it must not wait for the interval.
            await asyncio.to_thread(
                OrderDesk(self._client, self._gate, self._config.name, self._publish_soon).open
            )
            if self._config.policy.mode is Mode.ACTIVE:
                databases = (node.name for node in self._config.layout.databases)
                follow = partial(self._gate.follow, promoted=self._promoted)
                await asyncio.to_thread(LeaderWatch(self._client, databases, follow).watch)
        await asyncio.to_thread(self._duties.start, self._config.me.address, self._config.metrics_port)
        threading.Thread(target=self._think, name="brain", daemon=True).start()
        for watching in self._watches_over_zookeeper():
            threading.Thread(target=watching, args=(self._stopping,), daemon=True).start()
        notify("READY=1")
        try:
            async with server, asyncio.TaskGroup() as tasks:
                for watch in self._eyes.watches():
                    tasks.create_task(watch.forever())
                tasks.create_task(self._publish())
                tasks.create_task(self._live())
        finally:
            self._stopping.set()
            self._duties.stop()

    def _promoted(self, host: str) -> bool:
        """From any thread but the loop's."""
        if self._loop is None:
            return False
        asked = asyncio.run_coroutine_threadsafe(self._eyes.is_primary(host), self._loop)
        try:
            return asked.result(PROMOTION_ANSWER_S)
        except (TimeoutError, concurrent.futures.CancelledError):
            return False

    def _watches_over_zookeeper(self) -> Iterator[Callable[[threading.Event], None]]:
        config, tls = self._config, self._config.tls()
        near = [node for node in config.zookeepers_by_distance if node.site == config.me.site]
        yield Homing(self._client.handler, near, server_serves(tls), busy=self._busy).watch
        if config.policy.mode is Mode.ACTIVE:
            asking, servers = config.zookeeper_restart, config.layout.zookeepers
            seat = leader_seat(config.me, servers, config.witness_sites, tls, busy=self._busy, asking=asking)
            if seat is not None:
                yield seat.watch

    def _busy(self) -> bool:
        return self._eyes.alert or self._under_way()

    def _under_way(self) -> bool:
        return open_operation(self._client) is not None

    def _publish_soon(self) -> None:
        """From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _publish(self) -> None:
        """At each change and at least as often as the pace says; never two at once."""
        incarnation, sequence, pace = uuid.uuid4().hex, 0, self._config.pace
        while True:
            hurried = self._restless or self._eyes.alert or self._eyes.heartbeats.awake
            await _either(self._wake, pace.interval_s if hurried else about(pace.calm_s))
            sequence += 1
            view = self._eyes.view(incarnation, sequence, self._epoch())
            try:
                await asyncio.to_thread(self._publish_once, view)
            except ZooKeeperTrouble as error:
                log.warning("view not published: %r", error)

    async def _live(self) -> None:
        """Peers and systemd hear that this process is well, also while ZooKeeper keeps a view waiting."""
        while True:
            if self._client.client_state in GIVEN_UP:
                raise ClientEndedError("kazoo has ended its connection for good: this agent starts anew")
            self._eyes.heartbeats.say()
            if self._restless:
                self._eyes.heartbeats.wake()
            self._duties.keep()
            notify("WATCHDOG=1")
            await asyncio.sleep(self._config.pace.interval_s)

    def _publish_once(self, view: AgentView) -> None:
        view = replace(view, pool=self._gate.view() if self._gate is not None else None)
        self._restless = view.restless
        self._publisher.publish(view)

    def _think(self) -> None:
        pause_s = TICK_S
        while not self._stopping.wait(pause_s):
            pause_s = IDLE_TICK_S
            try:
                if not self._client.connected:
                    self._duties.undecided()
                    continue
                decision = self._brain.tick()
                self._duties.decided(decision)
                if decision is not None:
                    pause_s = ALERT_TICK_S if self._eyes.alert else TICK_S
            except ZooKeeperTrouble as error:
                log.warning("no decision: %r", error)
            except Exception:
                log.exception("the brain stumbled; it goes on with the next tick")


async def _either(wake: asyncio.Event, within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await wake.wait()
    wake.clear()


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The agent's port says only that the agent is there."""
    writer.close()
