"""A route to PostgreSQL (to the primary, or to replicas): its pool, and what was last seen at its end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from app import metrics
from app.background import end
from app.database.connection import CrmConnection
from app.settings import Settings

log = structlog.get_logger(__name__)

# Each look is a login, 2 ms of the API and 1 ms of PgBouncer (SCRAM), just when a new primary is made.
PROBE_WHEN_DOWN_SECONDS = 0.2
WARNED_EVERY_SECONDS = 10.0
SILENCE_TOLERATED = 1  # probes in a row; a machine under load may be late once
# The route leads to a new primary as soon as it has the lock, and its promotion takes a second or two. A
# session that was made before is good after it, and need not be made anew just when everybody wants one.
STANDBY_TOLERATED_SECONDS = 2.0

PROBE = """
SELECT pg_is_in_recovery(),
       coalesce(host(inet_server_addr()), 'local'),
       CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer END,
       CASE WHEN NOT pg_is_in_recovery() THEN 0
            WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
            THEN greatest(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint
       END,
       current_setting('synchronous_standby_names')
"""

END_STANDBY_SESSION = "SELECT pg_terminate_backend(pg_backend_pid()) WHERE pg_is_in_recovery()"


class RouteName(StrEnum):
    PRIMARY = "primary"
    REPLICA = "replica"


class Seen(StrEnum):
    """Who answered the last probe."""

    PRIMARY = "primary"
    STANDBY = "standby"
    NOBODY = "nobody"
    NOT_YET = "not yet probed"


@dataclass(frozen=True, slots=True)
class Sight:
    """What the last probe saw.

    `lag_bytes`: received and not yet replayed. None (unknown) without a WAL receiver: what the primary has
    beyond the last received position cannot be told then. A receiver that is cut off in silence ends after
    `wal_receiver_timeout`; that one runs is all that an account without pg_read_all_stats may see.
    `synchronous`: PostgreSQL's setting synchronous_standby_names, which only a primary acts on.
    """

    seen: Seen
    node: str | None = None
    timeline: int | None = None
    lag_bytes: int | None = None
    synchronous: str = ""


class RouteUnavailableError(Exception):
    """No connection was to be had; nothing was sent."""


class RouteOverloadedError(Exception):
    """The route works, and too many are waiting for it; nothing was sent."""


class Lease:
    """A connection of a route for the length of a block; a generator would cost three times as much."""

    __slots__ = ("_connection", "_route")

    def __init__(self, route: Route) -> None:
        self._route = route

    async def __aenter__(self) -> CrmConnection:
        self._connection = await self._route.checkout()
        self._connection.begin_unit()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._route.pool.putconn(self._connection)


class Route:
    """One pool and its prober. `open` before use, `close` at the end."""

    def __init__(self, name: RouteName, dsn: str, settings: Settings) -> None:
        self.name = name
        self.sight = Sight(Seen.NOT_YET)
        self._settings = settings
        self._dsn = dsn
        self._prober: asyncio.Task[None] | None = None
        self._probe_now = asyncio.Event()
        self._drain_task: asyncio.Task[None] | None = None
        self._warned_at = float("-inf")
        self._slow_probes = 0
        self._standby_since: float | None = None
        self._primary_seen = asyncio.Event()
        self._lost_at = float("-inf")
        self.pool: AsyncConnectionPool[CrmConnection] = AsyncConnectionPool(
            dsn,
            connection_class=CrmConnection,
            kwargs=self._connect_arguments(),
            min_size=min(settings.pool_min_size, settings.pool_max_size),
            max_size=settings.pool_max_size,
            max_waiting=settings.pool_max_waiting,
            timeout=settings.pool_wait_seconds,
            max_lifetime=settings.pool_max_lifetime_seconds,
            # Give up soon: the pool's own back-off starts at a second and doubles. A request that finds the
            # pool empty, or the prober when somebody answers again, makes it connect at once.
            reconnect_timeout=settings.pool_reconnect_seconds,
            name=name.value,
            open=False,
        )

    def _connect_arguments(self) -> dict[str, object]:
        return {
            "autocommit": True,
            "prepare_threshold": None,  # CrmConnection.statements does that
            "connect_timeout": self._settings.connect_seconds,
            "application_name": f"crm-api {self._settings.host}",
            # A wire that lost its other end without a word is noticed even while it waits.
            "keepalives_idle": 2,
            "keepalives_interval": 1,
            "keepalives_count": 3,
        }

    async def open(self) -> None:
        """Returns at once; connections are made in the background, so the API starts without a database."""
        await self.pool.open(wait=False)
        self._prober = asyncio.create_task(self._probe_for_ever(), name=f"probe {self.name}")

    async def close(self) -> None:
        await end(self._prober)
        await self.pool.close(timeout=2.0)

    def connection(self) -> Lease:
        """For the length of a block, a connection that seems to be alive; nothing was sent on it yet.

        Entering it raises RouteUnavailableError or RouteOverloadedError within `pool_wait_seconds`.
        """
        return Lease(self)

    async def checkout(self) -> CrmConnection:
        deadline = time.monotonic() + self._settings.pool_wait_seconds
        while True:
            connection = await self._getconn(deadline - time.monotonic())
            if not connection.looks_stale():
                return connection
            await connection.close()
            await self.pool.putconn(connection)

    async def _getconn(self, seconds: float) -> CrmConnection:
        try:
            return await self.pool.getconn(seconds)
        except TooManyRequests as error:
            raise RouteOverloadedError(str(error)) from error
        except PoolClosed as error:
            raise RouteUnavailableError(str(error)) from error
        except PoolTimeout as error:
            if self.sight.seen in (Seen.PRIMARY, Seen.STANDBY) and self.pool.get_stats()["pool_size"]:
                raise RouteOverloadedError(str(error)) from error
            raise RouteUnavailableError(str(error)) from error

    @property
    def lacks_primary(self) -> bool:
        """Whether the last look found somebody else or nobody; before the first look it is not known."""
        return self.sight.seen in (Seen.NOBODY, Seen.STANDBY)

    async def await_primary(self, seconds: float) -> bool:
        """Whether a primary answers here, waiting for it; at once where it has been away for long.

        Args:
            seconds: the longest wait; it ends earlier `primary_wait_seconds` after the primary was lost.
        """
        if not self.lacks_primary:
            return True
        hope = self._lost_at + self._settings.primary_wait_seconds - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(seconds, hope))):
                await self._primary_seen.wait()
        return self._primary_seen.is_set()

    def distrust(self) -> None:
        """Somebody met a standby here, or a session broke: connect anew, and look again now."""
        self._probe_now.set()
        if self._drain_task is None or self._drain_task.done():
            self._drain_task = asyncio.create_task(self.pool.drain(), name=f"drain {self.name}")

    async def _probe_for_ever(self) -> None:
        """Keeps one connection of its own, so that a full pool cannot blind it."""
        connection: CrmConnection | None = None
        try:
            while True:
                started = time.monotonic()
                try:
                    if connection is None or connection.looks_stale():
                        connection = await self._reconnect(connection)
                    sight = await self._look(connection)
                    if self._is_stuck(sight, started):
                        await self._end_session(connection)
                    self._slow_probes = 0
                except (psycopg.Error, OSError, TimeoutError) as error:
                    self._warn(error)
                    sight = self._after_failure(time.monotonic() - started)
                await self._note(sight)
                await self._pause(sight)
        finally:
            if connection is not None:
                await connection.close()

    def _after_failure(self, seconds: float) -> Sight:
        """Being refused, cut off or told to go is evidence. Silence is only after it has repeated itself."""
        was_silence = seconds >= self._settings.probe_timeout_seconds
        self._slow_probes = self._slow_probes + 1 if was_silence else 0
        if was_silence and self._slow_probes <= SILENCE_TOLERATED:
            return self.sight
        return Sight(Seen.NOBODY)

    async def _reconnect(self, old: CrmConnection | None) -> CrmConnection:
        if old is not None:
            await old.close()
        async with asyncio.timeout(self._settings.probe_timeout_seconds):
            return await CrmConnection.connect(self._dsn, **self._connect_arguments())  # type: ignore[arg-type]

    async def _look(self, connection: CrmConnection) -> Sight:
        with connection.shut_after(self._settings.probe_timeout_seconds):
            reply = connection.statements.queue(PROBE)
            await connection.statements.send()
        row = reply.row()
        assert row is not None
        in_recovery, node, timeline, lag, synchronous = row
        return Sight(Seen.STANDBY if in_recovery else Seen.PRIMARY, node, timeline, lag, synchronous)

    def _serves(self, sight: Sight) -> bool:
        """Whether who was seen is one that this route is for."""
        if sight.seen is Seen.STANDBY:
            return self.name is RouteName.REPLICA
        return sight.seen is Seen.PRIMARY

    def _is_stuck(self, sight: Sight, at: float) -> bool:
        """Whether the route has led to a standby for longer than a promotion takes."""
        if self._serves(sight):
            self._standby_since = None
            return False
        self._standby_since = at if self._standby_since is None else self._standby_since
        return at - self._standby_since >= STANDBY_TOLERATED_SECONDS

    async def _end_session(self, connection: CrmConnection) -> None:
        """End the standby's session that this route led to, on its server.

        A pooler keeps its sessions as long as they work, and these do, on a standby: made while the route led
        to a host that did not become primary after all, they would refuse every write until the pooler is
        restarted (seen: five minutes). Behind it the statement may reach another session, so it asks again.
        """
        with suppress(psycopg.Error, OSError), connection.shut_after(self._settings.probe_timeout_seconds):
            await connection.execute(END_STANDBY_SESSION)

    async def _note(self, sight: Sight) -> None:
        before, self.sight = self.sight, sight
        self._note_primary(before)
        metrics.note_pool(self.name, self.pool.get_stats())
        metrics.ROUTE_UP.labels(self.name).set(self._serves(sight))
        if replace(before, lag_bytes=None) != replace(sight, lag_bytes=None):
            log.info("route", route=self.name, seen=sight.seen, node=sight.node, timeline=sight.timeline)
        if sight.seen is not Seen.NOBODY and before.seen is Seen.NOBODY:
            await self.pool.check()  # drops what broke and grows again, for those who wait

    def _note_primary(self, before: Sight) -> None:
        if self.sight.seen is Seen.PRIMARY:
            self._primary_seen.set()
            return
        self._primary_seen.clear()
        if before.seen is Seen.PRIMARY:
            self._lost_at = time.monotonic()

    async def _pause(self, sight: Sight) -> None:
        seconds = self._settings.probe_seconds
        if not self._serves(sight):
            seconds = min(seconds, PROBE_WHEN_DOWN_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._probe_now.wait()
        self._probe_now.clear()

    def _warn(self, error: BaseException) -> None:
        if time.monotonic() - self._warned_at > WARNED_EVERY_SECONDS:
            self._warned_at = time.monotonic()
            log.warning("probe failed", route=self.name, error=str(error) or type(error).__name__)
