"""PgBouncer of one application host: paused on order, resumed by a dead man's timer.

The timer belongs to this host and to nobody else. Four things end a pause, and none needs the orchestrator:
the new primary, as soon as it has the leader key and has left recovery; the deadline, kept by a thread of
the agent; the agent's end, as systemd then runs `failover resume-pool` (ExecStopPost, also after a kill or a
missed watchdog); and the agent's start, which begins with a resume.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

import psycopg

from failover.deadline import deadline, hung_up
from failover.orders import Answer, Order, Task
from failover.routes import CONNECTS_WITHIN_S, NoRoutes, RouteError, Routes
from failover.views import PoolView

log = logging.getLogger(__name__)

LONGEST_HOLD_S = 15.0
# Clients queue from the first moment of a pause: one that waits for a long transaction is given up soon.
PAUSES_WITHIN_S = 1.0
# Each look is a login, and the gate knows what it did itself.
ASKED_EVERY_S = 5.0
RETRY_S = 0.2
# Between two looks at a server that is being promoted; each is a question on a session that is there.
PROMOTION_ASKED_EVERY_S = 0.05
# PgBouncer's database for reads, beside the one that is paused (role pgbouncer).
REPLICA_SUFFIX = "_replica"


class PoolError(RuntimeError):
    """PgBouncer did not do it."""


class Pool(Protocol):
    """PgBouncer's admin console, for one of its databases."""

    def pause(self, within_s: float) -> None:
        """Returns when no server connection is in use. Raises PoolError if that takes longer, and resumes."""

    def resume(self) -> None:
        """Raises PoolError."""

    def paused(self) -> bool:
        """Raises PoolError."""

    def renew_reads(self) -> None:
        """Server connections for reads are closed as soon as they are free. Raises PoolError."""


class PgBouncer:
    """The real console. `conninfo` leads to the database `pgbouncer` on this host."""

    def __init__(self, conninfo: str, database: str) -> None:
        self._conninfo = conninfo
        self._database = database
        self._lock = threading.RLock()
        self._session: psycopg.Connection[tuple[object, ...]] | None = None

    def renew_reads(self) -> None:
        self._run(f"RECONNECT {self._database}{REPLICA_SUFFIX}", 1.0)

    def pause(self, within_s: float) -> None:
        if self.paused():
            return
        try:
            self._run(f"PAUSE {self._database}", within_s)
        except PoolError:
            self.resume()
            raise

    def resume(self) -> None:
        if self.paused():
            self._run(f"RESUME {self._database}", 1.0)

    def paused(self) -> bool:
        rows = self._run("SHOW DATABASES", 1.0)
        return any(row["name"] == self._database and row["paused"] for row in rows)

    def _run(self, command: str, within_s: float) -> list[dict[str, object]]:
        """The console speaks the simple protocol only, and has no timeouts: ours ends the connection.

        The session is kept: a login costs more than a command, and clients wait for both.
        """
        with self._lock:
            try:
                connection = self._connected()
                with deadline(connection, within_s):
                    cursor = connection.execute(command.encode())
                    names = [column.name for column in cursor.description or ()]
                    rows = cursor.fetchall() if names else []
                    return [dict(zip(names, row, strict=True)) for row in rows]
            except psycopg.Error as error:
                raise PoolError(f"{command}: {error}") from error

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        """A restarted PgBouncer has closed the session: that is found out before it is used."""
        if self._session is not None and not hung_up(self._session):
            return self._session
        if self._session is not None:
            self._session.close()
        # Nothing is prepared, however often it is asked: the console knows no prepared statements.
        self._session = psycopg.connect(
            self._conninfo, autocommit=True, connect_timeout=1, prepare_threshold=None
        )
        return self._session


class PoolGate:
    """Obeys orders, and holds the timer. Thread-safe."""

    def __init__(
        self,
        pool: Pool,
        *,
        monotonic: Callable[[], float],
        after: Callable[[float, Callable[[], None]], None] | None = None,
        routes: Routes | None = None,
    ) -> None:
        self._pool = pool
        self._routes = routes or NoRoutes()
        self._monotonic = monotonic
        self._after = after or _start_timer
        self._lock = threading.RLock()
        self._epoch = -1
        self._paused_at: float | None = None
        self._operation: str | None = None
        self._candidate = ""
        self._led_to: str | None = None
        self._turn = 0
        self._asked_at = 0.0
        self._shown: PoolView | None = None

    def begin(self) -> None:
        """Whatever was paused before this agent started, nobody alive wants it paused."""
        self._release("the agent starts")

    def obey(self, order: Order) -> Answer:
        """Carries out an order once. An order of a lower epoch than one seen before is refused."""
        with self._lock:
            if order.epoch < self._epoch:
                text = f"epoch {order.epoch} is over, {self._epoch} was seen"
                return Answer(order.epoch, order.number, obeyed=False, text=text)
            self._epoch = order.epoch
            try:
                text = self._obey(order)
            except PoolError as error:
                return Answer(order.epoch, order.number, obeyed=False, text=str(error))
            return Answer(order.epoch, order.number, obeyed=True, text=text)

    def follow(self, primary: str, promoted: Callable[[str], bool] | None = None) -> None:
        """The leader key has this holder now. Returns at once.

        `promoted`: whether a host has left recovery. If the pool is paused for this very primary, it is
        asked until it has, and the pool resumes then. The order to resume comes as well, but it is a way
        through the orchestrator and its journal, half a second and more on a busy machine, and clients wait.
        """
        self._after(0.0, lambda: self._follow(primary, promoted))

    def _follow(self, primary: str, promoted: Callable[[str], bool] | None) -> None:
        with self._lock:
            log.info("the leader key's: %s", self._reroute(primary))
            turn = self._turn
        if promoted is not None:
            self._resume_once(promoted, primary, turn)

    def _resume_once(self, promoted: Callable[[str], bool], primary: str, turn: int) -> None:
        """Bounded by the pause, whose timer ends it."""
        if not self._paused_for(primary, turn):
            return
        if not promoted(primary):
            self._after(PROMOTION_ASKED_EVERY_S, lambda: self._resume_once(promoted, primary, turn))
            return
        with self._lock:
            if self._paused_for(primary, turn):
                self._route(lambda: self._switch(primary))
                self._release(f"{primary}, which is primary now", logging.INFO)

    def _paused_for(self, primary: str, turn: int) -> bool:
        with self._lock:
            return self._turn == turn and self._paused_at is not None and self._candidate == primary

    def _obey(self, order: Order) -> str:
        if order.task is Task.PAUSE:
            return self._pause(order)
        if order.task is Task.ROUTE:
            return self._reroute(order.host)
        if order.host:
            self._route(lambda: self._switch(order.host))
        return self._resume()

    def _switch(self, primary: str) -> None:
        """While the pool is paused, nobody connects: the old sessions can go at once."""
        self._led_to = primary
        self._routes.lead_to(primary)
        self._routes.cut_off_others(primary)

    def _reroute(self, primary: str) -> str:
        self._led_to = primary
        self._route(lambda: self._routes.lead_to(primary))
        self._route(lambda: self._routes.cut_off_established(primary))
        self._after(CONNECTS_WITHIN_S, lambda: self._cut_off_others(primary))
        return f"routed to {primary}"

    def _cut_off_others(self, primary: str) -> None:
        """Unless another has become primary meanwhile."""
        with self._lock:
            if self._led_to == primary:
                self._route(lambda: self._routes.cut_off_others(primary))

    def _route(self, tell: Callable[[], None]) -> None:
        """HAProxy finds out by itself what it could not be told."""
        try:
            tell()
        except (RouteError, PoolError) as error:
            log.warning("%s", error)

    def _leave(self, replica: str) -> None:
        self._routes.leave(replica)
        self._pool.renew_reads()

    def _pause(self, order: Order) -> str:
        """The timer is set before the pause: between the two there must be no moment without one."""
        if order.host:
            self._route(lambda: self._leave(order.host))
        hold_s = min(order.hold_s, LONGEST_HOLD_S)
        self._turn += 1
        turn = self._turn
        self._after(hold_s, lambda: self._expire(turn))
        self._pool.pause(min(hold_s, PAUSES_WITHIN_S))
        self._paused_at, self._operation, self._candidate = self._monotonic(), order.operation, order.host
        return f"paused, for {hold_s:g} s at most"

    def _resume(self) -> str:
        self._pool.resume()
        self._route(self._routes.reset)
        self._turn += 1
        self._paused_at = self._operation = self._shown = None
        return "running"

    def _expire(self, turn: int) -> None:
        """The dead man's timer: ends the pause it was set for, and no later one."""
        with self._lock:
            if turn != self._turn:
                return
        self._release("the dead man's timer")

    def _release(self, why: str, level: int = logging.WARNING) -> None:
        """Resumes, and goes on trying: a pool left paused is an outage."""
        with self._lock:
            try:
                self._resume()
                log.log(level, "pool resumed by %s", why)
            except PoolError as error:
                log.error("pool NOT resumed by %s: %s", why, error)  # noqa: TRY400  # the text says it all
                self._after(RETRY_S, lambda: self._release(why, level))

    def view(self) -> PoolView:
        """What the agent publishes. PgBouncer is asked now and then; what this gate did counts at once."""
        now, shown = self._monotonic(), self._shown  # which another thread's resuming may forget
        if now - self._asked_at >= ASKED_EVERY_S or shown is None:
            shown = self._ask()
            self._asked_at, self._shown = now, shown
        if not shown.reachable:
            return shown
        with self._lock:
            paused = self._paused_at is not None or shown.paused
            held = self._monotonic() - self._paused_at if paused and self._paused_at is not None else 0.0
            return PoolView(True, paused, int(held * 1000), self._operation if paused else None)

    def _ask(self) -> PoolView:
        try:
            return PoolView(reachable=True, paused=self._pool.paused())
        except PoolError:
            return PoolView(reachable=False, paused=False)


def _start_timer(delay_s: float, call: Callable[[], None]) -> None:
    timer = threading.Timer(delay_s, call)
    timer.daemon = True
    timer.start()
