"""What an agent does beside deciding: keeps the gate's file, measures, raises alarms, answers monitoring."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kazoo.client import KazooClient

from failover.agent_config import AgentConfig
from failover.alarms import Alarm, Board, Cause, Herald, cause_of, causes
from failover.command import run as run_command
from failover.conditions import Condition
from failover.decide import Decision, Policy
from failover.exposure import SAMPLED_EVERY_S
from failover.gate_keeper import GateKeeper
from failover.gauge import EXPOSURE, Gauge
from failover.journal import JournalError
from failover.journal_store import open_operation
from failover.leadership import Leadership
from failover.metrics import Figures, serve
from failover.strand_watch import StrandWatch
from failover.transitions import row_for
from failover.trees import TreeWatch
from failover.znodes import Unanswered

log = logging.getLogger(__name__)

ZooKeeperTrouble = (*Unanswered, JournalError)
# A ZooKeeper leader's election is over in this time; what lasts longer is worth a call.
NO_SESSION_PATIENCE_S = 10.0


class Duties:
    """`decided` and `undecided` are called by the thread that decides, the others from anywhere."""

    def __init__(
        self,
        *,
        name: str,
        client: KazooClient,
        leadership: Leadership,
        policy: Policy,
        gauge: Gauge,
        herald: Herald,
        keeper: GateKeeper | None,
        operation: Callable[[], str | None],
        trees: TreeWatch,
        strands: StrandWatch,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._leadership, self._policy = client, leadership, policy
        self._gauge, self._herald, self._keeper = gauge, herald, keeper
        self._operation, self._monotonic, self._name = operation, monotonic, name
        self._trees, self._strands = trees, strands
        self._board = Board(name)
        self._decision: Decision | None = None
        self._without_session_since: float | None = None
        self._stopping = threading.Event()

    def start(self, address: str, port: int) -> None:
        """Raises kazoo's errors, and OSError if the port is taken."""
        self._herald.start()
        serve(address, port, self.figures)
        if self._keeper is not None:
            self._keeper.watch()
        threading.Thread(target=self._measure, name="gauge", daemon=True).start()
        for name, watch in (("trees", self._trees.watch), ("strands", self._strands.watch)):
            threading.Thread(target=watch, args=(self._stopping,), name=name, daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def keep(self) -> None:
        """At least every second: what must be renewed to be believed."""
        if self._keeper is not None:
            self._keeper.keep()

    def decided(self, decision: Decision | None) -> None:
        """After a round of deciding; None: another is in office, and alarms are the other's to raise."""
        self._without_session_since = None
        self._decision = decision
        if decision is None:
            self._board.forget()
        else:
            self._raise(causes(decision))

    def undecided(self) -> None:
        """No session: nobody in office may know, so every agent says for itself that it has none."""
        self._decision = None
        now = self._monotonic()
        self._without_session_since = self._without_session_since or now
        if now - self._without_session_since >= NO_SESSION_PATIENCE_S:
            row = row_for(Condition.ZOOKEEPER_WITHOUT_QUORUM, self._policy.durability)
            self._raise((cause_of(row, self._name, f"{self._name} has no ZooKeeper session; {row.comment}"),))

    def figures(self) -> Figures:
        in_office = self._leadership.epoch >= 0 and self._decision is not None
        return Figures(
            policy=self._policy,
            connected=bool(self._client.connected),
            epoch=self._leadership.epoch,
            decision=self._decision,
            operation=self._running() if in_office else None,
            exposure=self._gauge.exposure() if in_office else None,
            exposed=self._gauge.exposed,
            firing=tuple((cause.rule, cause.subject) for cause in self._board.firing),
            alarms_delivered=self._herald.delivered,
            alarms_failed=self._herald.failed,
            tree_mismatches=self._trees.counted,
        )

    def _running(self) -> str | None:
        try:
            return self._operation()
        except ZooKeeperTrouble:
            return None

    def _raise(self, due: tuple[Cause, ...]) -> None:
        alarms: tuple[Alarm, ...] = self._board.update(due, self._monotonic())
        for alarm in alarms:
            self._herald.tell(alarm)

    def _measure(self) -> None:
        while not self._stopping.wait(SAMPLED_EVERY_S):
            if not self._leadership.in_office:
                continue
            try:
                self._gauge.measure()
            except ZooKeeperTrouble as error:
                log.info("not measured: %r", error)
            except Exception:
                log.exception("the gauge stumbled; it goes on with the next second")


def duties_of(
    config: AgentConfig,
    client: KazooClient,
    leadership: Leadership,
    tell: Callable[[str], None],
    *,
    trees: TreeWatch,
    strands: StrandWatch,
) -> Duties:
    """The duties of an agent over a connected client. Raises kazoo's errors."""
    client.ensure_path(EXPOSURE)
    gauge = Gauge(client, leadership, config.layout, name=config.name, conninfo=config.conninfo, tell=tell)
    return Duties(
        name=config.name,
        client=client,
        leadership=leadership,
        policy=config.policy,
        gauge=gauge,
        herald=Herald(config.alarm_command, run_command),
        keeper=GateKeeper(client, config.write_gate) if config.write_gate else None,
        operation=lambda: open_operation(client),
        trees=trees,
        strands=strands,
    )
