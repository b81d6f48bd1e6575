"""One write, really committed, with a deadline: does this PostgreSQL accept writes now?

It speaks libpq directly, because a deadline must never become a cancel: a cancel that reaches a commit
turns its wait for the synchronous standbys into a false success (facts file). A write that is not
acknowledged in time is left to its fate, and the connection with it.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import pq

# The write, and the first digits of its log file's name, which are its timeline in hexadecimal.
STATEMENT = b"""
WITH written AS (
    INSERT INTO ops.writer_probe (node, at) VALUES (inet_server_addr(), clock_timestamp())
    ON CONFLICT (node) DO UPDATE SET at = excluded.at
    RETURNING 1
)
SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) FROM written
"""

# A standby would refuse the write with ten lines in its log, seven times a second.
IN_RECOVERY = b"SELECT pg_is_in_recovery()"

READ_ONLY = "25006"  # read_only_sql_transaction: what a standby answers, or a primary that was told to


class Answer(StrEnum):
    ACCEPTED = "accepted"
    READ_ONLY = "read-only"
    REFUSED = "refused"
    LATE = "late"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one probe found. `timeline` is known when a write was accepted."""

    answer: Answer
    started_ns: int
    ended_ns: int
    timeline: int | None = None
    detail: str | None = None


class _Late(Exception):  # noqa: N818 - an expected outcome
    """The deadline passed."""


class WriterProbe:
    """Probes one node over a connection of its own, which it renews as needed."""

    def __init__(self, conninfo: str, *, deadline_s: float, abandon_s: float) -> None:
        """Make a probe that connects at its first sample.

        Args:
            conninfo: libpq connection string of role `monitor` to the very node.
            deadline_s: an answer after this is late.
            abandon_s: a connection that owes an answer for longer is closed, and a new one opened.
        """
        self._conninfo = conninfo.encode()
        self._deadline_s = deadline_s
        self._abandon_s = abandon_s
        self._connection: pq.abc.PGconn | None = None
        self._connected = False
        self._promoted = False
        self._owes_since: float | None = None

    def sample(self) -> Sample:
        """Try one write and return within the deadline what became of it."""
        started_ns = time.monotonic_ns()
        until = time.monotonic() + self._deadline_s
        try:
            answer, timeline, detail = self._ask(until)
        except _Late:
            answer, timeline, detail = Answer.LATE, None, None
            self._abandon_if_overdue()
        except (OSError, ValueError, psycopg.OperationalError) as error:
            # ValueError: select on the descriptor of a connection that libpq has closed.
            self.close()
            answer, timeline, detail = Answer.UNREACHABLE, None, " ".join(str(error).split())
        return Sample(answer, started_ns, time.monotonic_ns(), timeline, detail)

    def close(self) -> None:
        """Close the connection, without waiting for anything."""
        if self._connection is not None:
            self._connection.finish()
        self._connection, self._connected, self._owes_since = None, False, None
        self._promoted = False

    def _ask(self, until: float) -> tuple[Answer, int | None, str | None]:
        connection = self._connect(until)
        if self._owes_since is not None:
            self._answers(connection, until)  # of an earlier, late sample: no news any more
        if not self._left_recovery(connection, until):
            return Answer.READ_ONLY, None, None
        return _meaning(self._put(connection, STATEMENT, until))

    def _left_recovery(self, connection: pq.abc.PGconn, until: float) -> bool:
        """Whether this is no standby; a session that saw a primary never sees it become a standby."""
        if not self._promoted:
            result = self._put(connection, IN_RECOVERY, until)
            # Whoever cannot answer this may refuse the write in its own words.
            self._promoted = result is None or result.get_value(0, 0) != b"t"
        return self._promoted

    def _put(self, connection: pq.abc.PGconn, statement: bytes, until: float) -> pq.abc.PGresult | None:
        """The answer to a statement. Raises _Late, and the answer is owed."""
        connection.send_query(statement)
        self._owes_since = time.monotonic()
        return self._answers(connection, until)

    def _connect(self, until: float) -> pq.abc.PGconn:
        """Return the connection, going on with one that is being made."""
        if self._connection is None:
            self._connection = pq.PGconn.connect_start(self._conninfo)
            self._owes_since = time.monotonic()
            wanted = pq.PollingStatus.WRITING
        else:
            wanted = pq.PollingStatus.READING
        while not self._connected:
            _wait(self._connection, until, writing=wanted is pq.PollingStatus.WRITING)
            wanted = pq.PollingStatus(self._connection.connect_poll())
            if wanted is pq.PollingStatus.FAILED:
                raise psycopg.OperationalError(self._connection.get_error_message())
            if wanted is pq.PollingStatus.OK:
                self._connected, self._owes_since = True, None
        return self._connection

    def _answers(self, connection: pq.abc.PGconn, until: float) -> pq.abc.PGresult | None:
        """Return the last result of the statement that was sent."""
        last = None
        while True:
            while connection.is_busy():
                _wait(connection, until, writing=False)
                connection.consume_input()
            result = connection.get_result()
            if result is None:
                self._owes_since = None
                return last
            last = result

    def _abandon_if_overdue(self) -> None:
        if self._owes_since is not None and time.monotonic() - self._owes_since > self._abandon_s:
            self.close()


def _wait(connection: pq.abc.PGconn, until: float, *, writing: bool) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise _Late
    socket = [connection.socket]
    ready = select.select([] if writing else socket, socket if writing else [], [], left)
    if not any(ready):
        raise _Late


def _meaning(result: pq.abc.PGresult | None) -> tuple[Answer, int | None, str | None]:
    if result is None:
        return Answer.REFUSED, None, "no result"
    if result.status == pq.ExecStatus.TUPLES_OK:
        return Answer.ACCEPTED, int(result.get_value(0, 0) or b"0", 16), None
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    if state == READ_ONLY:
        return Answer.READ_ONLY, None, None
    text = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    return Answer.REFUSED, None, f"{state} {text}".strip()
