"""Asks every host what agents ask: Patroni's REST, PostgreSQL, and other agents by TCP.

PostgreSQL's session is kept, so that the probe which runs most often is one small round trip. A failed probe
drops it, and a bare TCP connect then tells refused from mute from silent. Failing targets are asked faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import psycopg

from failover.views import NEVER, Outcome, PatroniReport, Signal


@dataclass(frozen=True)
class Pace:
    """Seconds. `interval_s`: between publications, and between probes of PostgreSQL.

    `slow_s`: between probes that cost a new connection; when another of the same site fails, they are made at
    once. `fast_s`: between probes of a target whose last probe failed, until it is surely lost.
    """

    interval_s: float = 0.3
    slow_s: float = 2.0
    fast_s: float = 0.1
    timeout_s: float = 0.25
    sure_after: int = 3


@dataclass(frozen=True)
class Probed:
    """One probe's result; `report` where REST gave one."""

    outcome: Outcome
    detail: str = ""
    report: PatroniReport | None = None


class Target(Protocol):
    async def probe(self) -> Probed:
        """Never raises for what a network can do, and ends within about the timeout."""


def follow(before: Signal, probed: Probed, since_s: float, now_s: float) -> Signal:
    """The signal after one more probe; `since_s` is when the run that `before` belongs to began."""
    answers = probed.outcome is Outcome.ANSWERS
    same = before.outcome is not Outcome.UNKNOWN and before.answers == answers
    streak = before.streak + 1 if same else 1
    held = int((now_s - since_s) * 1000) if same else 0
    return Signal(probed.outcome, streak, held, probed.detail)


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
        try:
            reached()
            await writer.start_tls(self._tls)
            writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            head, found, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
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
    """PostgreSQL by a kept session of the monitoring role.

    A query that does not answer is not cancelled, as psycopg would wait for the cancel: its socket is shut.
    """

    def __init__(self, conninfo: str, address: str, port: int, timeout_s: float) -> None:
        self._conninfo = conninfo
        self._address, self._port, self._timeout_s = address, port, timeout_s
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._connecting: asyncio.Task[psycopg.AsyncConnection[Any]] | None = None

    async def probe(self) -> Probed:
        """Why it fails is found out beside the question once that is late: a loss costs one timeout."""
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
        return replace(await (reason or self._classify(self._timeout_s)), detail=error)

    async def _question(self) -> str | None:
        """The server's role; None while the session is still being made.

        A session that is being asked is nobody else's: a probe that overlaps makes its own, or one silence
        would count as many.
        """
        connection = await self._connected()
        if connection is None:
            return None
        self._connection = None
        role = await self._ask(connection)
        await self._put_back(connection)
        return role

    async def _put_back(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._connection is None:
            self._connection = connection
        else:
            await connection.close()

    async def _classify(self, timeout_s: float) -> Probed:
        return await classify(self._address, self._port, timeout_s)

    async def _connected(self) -> psycopg.AsyncConnection[Any] | None:
        """The session; None while it is still being made."""
        if self._connection is not None:
            return self._connection
        if self._connecting is None:
            connect = psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, connect_timeout=2)
            self._connecting = asyncio.create_task(connect)
        attempt = self._connecting  # which probes that overlap share
        await asyncio.wait({attempt}, timeout=self._timeout_s)
        if not attempt.done():
            return None
        if self._connecting is attempt:
            self._connecting = None
        self._connection = attempt.result()
        return self._connection

    async def _ask(self, connection: psycopg.AsyncConnection[Any]) -> str:
        """The server's role. Raises psycopg.Error, or TimeoutError (an OSError) after hanging up."""
        query = asyncio.create_task(connection.execute("select pg_is_in_recovery()"))
        await asyncio.wait({query}, timeout=self._timeout_s)
        if not query.done():
            with socket.socket(fileno=os.dup(connection.fileno())) as copy:
                copy.shutdown(socket.SHUT_RDWR)
            query.add_done_callback(_heard)
            raise TimeoutError
        (recovers,) = await query.result().fetchone() or (True,)
        return "standby" if recovers else "primary"


def _heard(done: asyncio.Task[Any]) -> None:
    """Fetch an error that nobody waits for any more; asyncio reports what is never fetched."""
    if not done.cancelled():
        done.exception()


class Watch:
    """Probes one target for ever and keeps its signal.

    `changed` is called when the view is worth publishing at once, `alarmed` when it answered before and now
    fails or says something else (a standby became primary).
    """

    def __init__(
        self,
        target: Target,
        pace: Pace,
        monotonic: Callable[[], float],
        changed: Callable[[], None],
        *,
        alarmed: Callable[[], None] | None = None,
        every_s: float | None = None,
    ) -> None:
        self._target, self._pace, self._monotonic, self._changed = target, pace, monotonic, changed
        self._alarmed = alarmed or (lambda: None)
        self._every_s = every_s or pace.interval_s
        self._since = 0.0
        self._nudged = asyncio.Event()
        self.signal = NEVER
        self.report: PatroniReport | None = None

    async def once(self) -> None:
        self._take(await self._target.probe())

    async def make_sure(self, probes: int) -> None:
        """Probes that overlap, until one answers: a silent one takes its whole timeout, and clients wait.

        What answers is asked once: a new session costs its host 19 ms of a core, a handshake 5.
        """
        begun: list[asyncio.Task[Probed]] = []
        async with asyncio.TaskGroup() as group:
            while len(begun) < probes and not any(map(_has_answered, begun)):
                begun.append(group.create_task(self._target.probe()))
                await asyncio.sleep(self._pace.fast_s if len(begun) < probes else 0)
            for probe in begun:
                self._take(await probe)

    def _take(self, probed: Probed) -> None:
        now = self._monotonic()
        before, self.signal = self.signal, follow(self.signal, probed, self._since, now)
        if self.signal.streak == 1:
            self._since = now
        turned = before.outcome is not self.signal.outcome or _gist(probed.report) != _gist(self.report)
        self.report = probed.report
        if before.answers and (self.signal.fails or self.signal.detail != before.detail):
            self._alarmed()
        if turned or self.signal.streak == self._pace.sure_after:
            self._changed()

    def nudge(self) -> None:
        """Probes now instead of when its time comes. One that fails already keeps its own, faster rhythm."""
        if not self.signal.fails:
            self._nudged.set()

    async def forever(self) -> None:
        while True:
            began = self._monotonic()
            nudged = self._nudged.is_set()
            self._nudged.clear()
            if nudged:
                await self.make_sure(self._pace.sure_after)
            else:
                await self.once()
            if self.signal.fails and self.signal.streak == 1:
                await self.make_sure(self._pace.sure_after - 1)
            await self._wait(self._pause() - (self._monotonic() - began))

    def _pause(self) -> float:
        """A turn is made sure of fast; what is away or not running is asked often: its return shows soon."""
        if self.signal.streak < self._pace.sure_after:
            return self._pace.fast_s
        restless = self.signal.fails or (self.report is not None and not self.report.running)
        return min(self._pace.interval_s, self._every_s) if restless else self._every_s

    async def _wait(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, pause_s)):
                await self._nudged.wait()


def _has_answered(probe: asyncio.Task[Probed]) -> bool:
    return probe.done() and probe.result().outcome is Outcome.ANSWERS


def _gist(report: PatroniReport | None) -> PatroniReport | None:
    """A report without its LSN, which under load is another each time and is not worth a publication."""
    return None if report is None else replace(report, lsn=None)
