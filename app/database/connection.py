"""A pooled connection that knows whether its COMMIT is under way, and can be let go without a cancel."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from typing import Any

import orjson
from psycopg import AsyncConnection, pq
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads

from app.database.outcome import casts_doubt
from app.database.statements import Statements


class Deadline:
    """For the length of a block; then the connection is left in peace."""

    __slots__ = ("_connection", "_seconds", "_timer")

    def __init__(self, connection: CrmConnection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._connection.shut)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


class CrmConnection(AsyncConnection[TupleRow]):
    """Autocommit; transactions are written out (BEGIN … COMMIT) by the units of work."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commit_sent = False
        self.commit_doubt: str | None = None
        self._poll: select.poll | None = None  # on its one socket
        set_json_loads(orjson.loads, self)
        self.statements = Statements(self)
        self.add_notice_handler(self._on_notice)

    def begin_unit(self) -> None:
        self.statements.forget()
        self.commit_sent = False
        self.commit_doubt = None

    @property
    def alive(self) -> bool:
        return self.pgconn.status == pq.ConnStatus.OK

    def looks_stale(self) -> bool:
        """Whether an idle connection was ended by the other side, without a round trip.

        Nothing is ever sent to an idle client except the news of its end (or a notice, which is rare
        enough to give the connection up for), so readable means stale. A check that asks the server costs
        a round trip for every request (psycopg_pool's own does).
        """
        if not self.alive or self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.pgconn.socket, select.POLLIN)
        return bool(self._poll.poll(0))

    def shut(self) -> None:
        """End the session by closing the wire. Whoever waits on it wakes with a lost connection.

        Cancelling the waiting task instead would make psycopg send a cancel request, and a cancelled COMMIT
        reports success without its synchronous copies (facts.md). Closing the wire does not disturb it.
        """
        if not self.alive:
            return
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as wire:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the other side was faster

    def shut_after(self, seconds: float) -> Deadline:
        """A deadline for everything awaited inside: the connection is lost when it passes."""
        return Deadline(self, seconds)

    def _on_notice(self, notice: Diagnostic) -> None:
        if casts_doubt(notice.severity_nonlocalized, notice.sqlstate, commit_sent=self.commit_sent):
            self.commit_doubt = notice.message_primary or notice.sqlstate
