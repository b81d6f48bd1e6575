"""What agents ask of a host: Patroni's REST, PostgreSQL, another agent's port.

PostgreSQL's sessions are kept, so that the probe which runs most often is one small round trip. When it is
late, a bare TCP connect tells refused from mute from silent.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import psycopg

from failover.views import Outcome, PatroniReport

# Sessions of one agent with one server: as many as probes may overlap. One that was not answered for so long
# is given up: its server is gone, or not worth the waiting.
SESSIONS_MAX, HANG_UP_S = 3, 2.0
# What a server says it is, as the detail of its signal.
PRIMARY, STANDBY = "primary", "standby"


@dataclass(frozen=True)
class Probed:
    """One probe's result; `report` where REST gave one."""

    outcome: Outcome
    detail: str = ""
    report: PatroniReport | None = None


class Target(Protocol):
    @property
    def keeps_waiting(self) -> bool:
        """A question is under way whose connection the host has accepted: it is there, and slow at most."""

    async def probe(self) -> Probed:
        """Never raises for what a network can do, and ends within about the timeout."""


async def classify(address: str, port: int, timeout_s: float) -> Probed:
    """Why a target fails, from a bare TCP connect."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return Probed(Outcome.REFUSED)
    except TimeoutError:
        return Probed(Outcome.SILENT)
    except OSError as error:
        return Probed(Outcome.SILENT, str(error))
    writer.close()
    return Probed(Outcome.MUTE)


@dataclass(frozen=True)
class TcpTarget:
    """A port that only has to accept."""

    address: str
    port: int
    timeout_s: float

    @property
    def keeps_waiting(self) -> bool:
        return False  # to be accepted is the answer

    async def probe(self) -> Probed:
        found = await classify(self.address, self.port, self.timeout_s)
        return replace(found, outcome=Outcome.ANSWERS) if found.outcome is Outcome.MUTE else found


class RestTarget:
    """Patroni's REST: the full report, or /liveness (no SQL) as long as the last probe failed.

    The report is asked for as /health, which tries its SQL once. /patroni repeats it until a deadline: while
    PostgreSQL is down, a few askers occupy all of Patroni's threads (api.py, `get_postgresql_status`).
    Patroni speaks HTTP/1.0, so each question is a connection with a handshake of its own: 1.5 ms of a core
    when asked by hand, 4 ms by httpx (measured).
    """

    def __init__(self, address: str, port: int, tls: ssl.SSLContext, timeout_s: float) -> None:
        self._address, self._port = address, port
        self._tls, self._timeout_s = tls, timeout_s
        self._failed = False
        self._accepted = 0  # of the questions under way

    @property
    def keeps_waiting(self) -> bool:
        return self._accepted > 0

    async def probe(self) -> Probed:
        path = "/liveness" if self._failed else "/health"
        reached = asyncio.Event()
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._ask(path, reached.set)
            report = None if self._failed else report_from(json.loads(body))
        except (OSError, ValueError, KeyError) as error:
            self._failed = True
            return Probed(_why(error, reached=reached.is_set()), type(error).__name__)
        self._failed = False
        return Probed(Outcome.ANSWERS, report=report)

    async def _ask(self, path: str, reached: Callable[[], None]) -> bytes:
        """The answer's body; `reached` is called when the host's kernel has accepted the connection.

        Raises OSError, or ValueError for what is no HTTP.
        """
        reader, writer = await asyncio.open_connection(self._address, self._port)
        self._accepted += 1
        try:
            reached()
            await writer.start_tls(self._tls)
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            head, found, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            self._accepted -= 1
            writer.transport.abort()
        if not found or not head.startswith(b"HTTP/1."):
            raise ValueError("the answer is no HTTP")
        return body


def _why(error: Exception, *, reached: bool) -> Outcome:
    """What a failed question says of its host."""
    if reached:
        return Outcome.MUTE
    return Outcome.REFUSED if isinstance(error, ConnectionRefusedError) else Outcome.SILENT


def report_from(raw: dict[str, Any]) -> PatroniReport:
    """What Patroni says of itself (api.py, get_postgresql_status). Raises KeyError without a state."""
    xlog = raw.get("xlog") or {}
    return PatroniReport(
        primary=raw.get("role") in ("primary", "master"),
        state=str(raw["state"]),
        timeline=raw.get("timeline"),
        lsn=xlog.get("location", xlog.get("received_location")),
        streaming=raw.get("replication_state") == "streaming",
        paused=bool(raw.get("pause", False)),
        pending_restart=bool(raw.get("pending_restart", False)),
    )


class SqlTarget:
    """PostgreSQL by kept sessions of the monitoring role.

    A query that is late is not cancelled, as psycopg would wait for the cancel, and is not given up at once
    either: a session that a starved server answers late is kept. A new one would cost that server 19 ms of a
    core, and those of five agents kept one starved for a minute after its boot (measured).
    """

    def __init__(self, conninfo: str, address: str, port: int, timeout_s: float) -> None:
        self._conninfo = conninfo
        self._address, self._port, self._timeout_s = address, port, timeout_s
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._asked: set[asyncio.Task[str]] = set()
        self._connecting: asyncio.Task[psycopg.AsyncConnection[Any]] | None = None

    @property
    def keeps_waiting(self) -> bool:
        return False  # a question costs the server little, and a frozen one keeps all of them waiting

    async def probe(self) -> Probed:
        """Why it fails is found out beside the question once that is late: a loss costs one timeout.

        A server that says itself why it ends a session has refused, whatever its port does meanwhile.
        """
        question = asyncio.create_task(self._question())
        question.add_done_callback(_heard)  # also when the agent is ended meanwhile
        await asyncio.wait({question}, timeout=self._timeout_s / 2)
        reason = None if question.done() else asyncio.create_task(self._classify(self._timeout_s / 2))
        try:
            if role := await question:
                return Probed(Outcome.ANSWERS, role)
            error = ""
        except (psycopg.Error, OSError) as failure:
            error = type(failure).__name__
            if getattr(failure, "sqlstate", None):
                return Probed(Outcome.REFUSED, error)
        return replace(await (reason or self._classify(self._timeout_s)), detail=error)

    async def _question(self) -> str | None:
        """The server's role; None while there is no session to ask it by.

        A session that is being asked is nobody else's: a probe that overlaps takes or makes another, or one
        silence would count as many. Raises psycopg.Error, or TimeoutError (an OSError) when it is late.
        """
        connection = await self._connected()
        if connection is None:
            return None
        asked = asyncio.create_task(self._ask(connection))
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        asked.add_done_callback(_heard)
        await asyncio.wait({asked}, timeout=self._timeout_s)
        if not asked.done():
            raise TimeoutError
        return asked.result()

    async def _classify(self, timeout_s: float) -> Probed:
        return await classify(self._address, self._port, timeout_s)

    async def _connected(self) -> psycopg.AsyncConnection[Any] | None:
        """An idle session; None while one is being made, or when as many as may be wait for their answers."""
        if self._idle:
            return self._idle.pop()
        if self._connecting is None:
            if len(self._asked) >= SESSIONS_MAX:
                return None
            connect = psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=2)
            self._connecting = asyncio.create_task(connect)
        attempt = self._connecting  # which probes that overlap share
        await asyncio.wait({attempt}, timeout=self._timeout_s)
        if not attempt.done():
            return None
        if self._connecting is not attempt:
            return self._idle.pop() if self._idle else None
        self._connecting = None
        return attempt.result()

    async def _ask(self, connection: psycopg.AsyncConnection[Any]) -> str:
        """The server's role, however late; afterwards the session is idle again. Hangs up after a while.

        Raises psycopg.Error, and TimeoutError after hanging up.
        """
        query = asyncio.create_task(connection.execute("select pg_is_in_recovery()"))
        await asyncio.wait({query}, timeout=HANG_UP_S)
        if not query.done():
            with socket.socket(fileno=os.dup(connection.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)
            query.add_done_callback(_heard)
            raise TimeoutError
        try:
            (recovers,) = await query.result().fetchone() or (True,)
        except psycopg.Error:
            self._idle.clear()  # of the same server, and as dead
            raise
        self._idle.append(connection)
        return STANDBY if recovers else PRIMARY


def _heard(done: asyncio.Task[Any]) -> None:
    """Fetch an error that nobody waits for any more; asyncio reports what is never fetched."""
    if not done.cancelled():
        done.exception()
