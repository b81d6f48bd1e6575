"""Who is the worker: one of all hosts of both sites.

An office says who should act; it does not guarantee that nobody else does (a session outlives a frozen
process, and kazoo's recipes are not fenced). That is the term's part, which PostgreSQL checks (term.py).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import psycopg
import structlog
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NodeExistsError
from kazoo.handlers.threading import KazooTimeoutError

from app.settings import Settings

log = structlog.get_logger(__name__)

LEADER = "/twinsite/worker/leader"
ANSWER_SECONDS = 2.0
# Short: a lost worker must not be missed for long. ZooKeeper's own minimum is twice its tick.
SESSION_SECONDS = 4.0
ADVISORY_LOCK = (0x7769_6E73, 2)


class Office(Protocol):
    """`campaign` takes it if it is free; `held` costs nothing and may be asked often."""

    async def campaign(self) -> bool: ...

    @property
    def held(self) -> bool: ...

    async def close(self) -> None: ...


class ZooKeeperOffice:
    """An ephemeral znode. SUSPENDED means stop acting, LOST means start over."""

    def __init__(self, client: KazooClient, name: str) -> None:
        self._client = client
        self._name = name
        self._owned = False
        self._connected = False
        self._started = False
        client.add_listener(self._on_state)  # called in kazoo's thread; it only sets flags

    def _on_state(self, state: str) -> None:
        self._connected = state == KazooState.CONNECTED
        if state == KazooState.LOST:
            self._owned = False
        log.info("zookeeper session", state=str(state).lower())

    @property
    def held(self) -> bool:
        return self._owned and self._connected

    async def campaign(self) -> bool:
        return await asyncio.to_thread(self._campaign)

    def _campaign(self) -> bool:
        try:
            if not self._started:
                # Once: it goes on trying by itself, and a second start makes a second session (seen).
                self._started = True
                self._client.start_async()
            return self._client.connected and self._take()
        except (KazooException, KazooTimeoutError) as error:
            log.info("no answer about the office", error=repr(error))
            return False

    def _take(self) -> bool:
        """True if the znode is ours: made now, or by an earlier call whose answer was lost."""
        made = self._client.create_async(LEADER, self._name.encode(), ephemeral=True, makepath=True)
        try:
            made.get(timeout=ANSWER_SECONDS)
        except NodeExistsError:
            _, stat = self._client.get_async(LEADER).get(timeout=ANSWER_SECONDS)
            self._owned = stat.ephemeralOwner == self._client.client_id[0]
        else:
            self._owned = True
        return self.held

    async def close(self) -> None:
        """Ends the session, and so frees the office at once."""
        self._owned = False
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        self._client.stop()
        self._client.close()


class AdvisoryOffice:
    """For development without ZooKeeper: a session lock in PostgreSQL itself. Not through PgBouncer."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.AsyncConnection | None = None
        self._owned = False

    @property
    def held(self) -> bool:
        return self._owned and self._connection is not None and not self._connection.broken

    async def campaign(self) -> bool:
        """Also finds out whether the session that holds the lock is still there."""
        try:
            self._owned = await self._locked()
        except psycopg.Error as error:
            log.info("no answer about the office", error=str(error))
            await self.close()
        return self.held

    async def _locked(self) -> bool:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name="crm worker office"
            )
            self._owned = False
        sql = "SELECT pg_is_in_recovery()" if self._owned else "SELECT NOT pg_try_advisory_lock(%s, %s)"
        cursor = await self._connection.execute(sql, None if self._owned else ADVISORY_LOCK)
        row = await cursor.fetchone()
        return row is not None and not row[0]

    async def close(self) -> None:
        self._owned = False
        if self._connection is not None:
            await self._connection.close()


def office_of(settings: Settings) -> Office:
    """By the settings: ZooKeeper where its servers are named."""
    if not settings.zookeeper:
        return AdvisoryOffice(settings.migrations_dsn)
    tls = {
        "use_ssl": True,
        "ca": settings.zookeeper_ca,
        "certfile": settings.zookeeper_certificate,
        "keyfile": settings.zookeeper_certificate,
        "verify_certs": True,
    }
    client = KazooClient(
        hosts=settings.zookeeper,
        timeout=SESSION_SECONDS,
        **(tls if settings.zookeeper_certificate else {}),
    )
    return ZooKeeperOffice(client, settings.host)
