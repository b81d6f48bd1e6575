"""The loader: takes the next blocks of an unfinished bulk load, batch after batch.

A batch is one transaction: its rows, its refused rows and the note that its blocks are loaded. Whatever ends
it in between, the next attempt finds the blocks still to do, or done. Any number of loaders may run on both
sites; the row lock of a job lets one work on it at a time.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import psycopg
import structlog

from app.database.outcome import passes
from app.imports import events, load_sql
from app.imports.blocks import lines
from app.imports.events import LoadAdvanced
from app.imports.load import OvertakenError, load, reject
from app.imports.rows import Header, read_header, read_rows
from app.imports.schemas import Format, Rejection, Row
from app.imports.staging import Staged, stage
from app.pauses import growing

log = structlog.get_logger(__name__)

# About 30,000 rows; memory follows it. Until then a batch has a block more than the one before: PostgreSQL
# waits for the first only as long as one block takes, and hardly for those that are staged while it works.
BLOCKS_A_BATCH = 8
# Whoever may load at all (a rule of the endpoint) loads into the whole base, as duplicates lie anywhere.
ACTS_AS = {
    "rights": "{customer:*,other:*}",
    "statement_timeout": "120s",
    "lock_timeout": "10s",
    "work_mem": "64MB",
}
RETRIES = 80  # of `drain`; with their pauses longer than any failover
REFUSED_SECONDS = 30.0  # the longest pause where a batch itself is what fails
IDLE_SECONDS = 2.0  # each look is four statements, and every host has a loader
# Waiting for what is read ahead, on a machine that others keep busy: PostgreSQL ends a transaction in which
# nothing happens for half a minute (app/roles.py), and with it the claim.
STIR_SECONDS = 5.0
# Objects made until the collector looks for cycles: rows have none, and looking through a batch of them again
# and again took as long as cleansing them.
COLLECT_AFTER = 200_000
# For how long the thread that stages may keep the interpreter from the one that speaks with PostgreSQL, which
# needs it for a moment only, some 150 times a batch, mostly between two pieces of a COPY.
SWITCH_SECONDS = 0.0005
_Block = tuple[int, int, bytes]  # its number, the number of its first row, its content


@dataclass(frozen=True, slots=True)
class _Part:
    """Some blocks of a job, read, cleansed and staged ahead of the transaction that loads them."""

    job: UUID
    first: int
    next: int
    staged: Staged


class Loader:
    """One connection, and one thread with one that stages the next batch while PostgreSQL works on this one.

    Within `with`, the process collects garbage less often and switches threads more often.
    """

    def __init__(self, dsn: str, *, blocks_a_batch: int = BLOCKS_A_BATCH) -> None:
        self._dsn = dsn
        self._blocks = blocks_a_batch
        self._ahead: Future[_Part] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cleanse")
        self._connection: psycopg.Connection | None = None
        self._reader: psycopg.Connection | None = None
        self._thresholds, self._switching = gc.get_threshold(), sys.getswitchinterval()

    def __enter__(self) -> Self:
        gc.set_threshold(COLLECT_AFTER, *self._thresholds[1:])
        sys.setswitchinterval(SWITCH_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        gc.set_threshold(*self._thresholds)
        sys.setswitchinterval(self._switching)
        self._disconnect()
        self._thread.shutdown()

    def run_until(self, stop: threading.Event) -> None:
        """Load whatever comes until told to stop. What cannot be done now is tried again, whatever it is.

        A process that ended instead would be started again by systemd: an interpreter each time, and on its
        host's only core just when a new primary needs it.
        """
        failures = 0
        while not stop.is_set():
            try:
                pause = 0.0 if self._attempt() else IDLE_SECONDS
                failures = 0
            except Exception as error:
                failures += 1
                if self._passes(error):
                    pause = self._repeated(error, failures)
                else:
                    log.exception("bulk load fails; it is tried again", attempt=failures)
                    self._disconnect()
                    pause = growing(failures, most=REFUSED_SECONDS)
            stop.wait(pause)

    def drain(self) -> None:
        """Load everything there is, then return. Raises what does not pass, or has not for very long."""
        failures = 0
        more = True
        while more:
            try:
                more = self._attempt()
                failures = 0
            except Exception as error:
                failures += 1
                if failures >= RETRIES or not self._passes(error):
                    raise
                time.sleep(self._repeated(error, failures))

    def _passes(self, error: Exception) -> bool:
        """Whether the same batch may succeed soon.

        By the sessions and not only by the error: when one ends, psycopg may raise anything, as a ValueError
        at the end of a COPY (seen).
        """
        if isinstance(error, OvertakenError):
            return True
        connections = filter(None, (self._connection, self._reader))
        alive = not any(connection.closed for connection in connections)
        return passes(error, session_alive=alive)

    def _repeated(self, error: Exception, failures: int) -> float:
        """Seconds to wait. The outcome of a COMMIT that was not answered is read from the job after it."""
        log.info("bulk load repeats a batch", attempt=failures, error=str(error))
        self._disconnect()
        return growing(failures)

    def _attempt(self) -> bool:
        connection = self._connect()
        with connection.transaction():
            connection.execute(load_sql.ACT, ACTS_AS)
            row = connection.execute(load_sql.CLAIM).fetchone()
            if row is None:
                return False
            job, format_, header, received, loaded = row
            reading = _Reading(job, Format(format_), _header(header))
            part = self._part(connection, reading, loaded)
            if part.next == part.first:
                raise OvertakenError(f"load {job} is claimed, and its block {loaded} is not to be seen")
            if part.next < received:
                count = min(part.next - part.first + 1, self._blocks)
                self._ahead = self._thread.submit(self._read_ahead, reading, part.next, count)
            _load_part(connection, part)
        return True

    def _part(self, connection: psycopg.Connection, reading: _Reading, first: int) -> _Part:
        """What comes next, whether it was read ahead or not. Raises what reading raised."""
        if self._ahead is not None:
            ahead = self._taken(connection, self._ahead)
            if (ahead.job, ahead.first) == (reading.job, first):
                return ahead
        self._ahead = self._thread.submit(self._read_ahead, reading, first, 1)
        return self._taken(connection, self._ahead)

    def _taken(self, connection: psycopg.Connection, ahead: Future[_Part]) -> _Part:
        """Until it is there the thread has the reader, which nobody may close."""
        part = _awaited(connection, ahead)
        self._ahead = None
        return part

    def _read_ahead(self, reading: _Reading, first: int, count: int) -> _Part:
        if self._reader is None:
            self._reader = self._open()
        with self._reader.transaction():
            self._reader.execute(load_sql.ACT, ACTS_AS)  # nobody in particular would see no block
            blocks = reading.blocks(self._reader, first, count)
        staged = stage(reading.results(blocks), registered={})
        return _Part(reading.job, first, first + len(blocks), staged)

    def _open(self) -> psycopg.Connection:
        return psycopg.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=5,
            application_name="crm import",
            prepare_threshold=None,
        )

    def _connect(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _disconnect(self) -> None:
        if self._ahead is not None:
            wait([self._ahead])  # the thread is the reader's only user
            self._ahead = None
        for connection in (self._connection, self._reader):
            if connection is not None:
                connection.close()
        self._connection = self._reader = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the blocks of one job are read."""

    job: UUID
    format: Format
    header: Header | None

    def blocks(self, connection: psycopg.Connection, first: int, count: int) -> list[_Block]:
        parameters = {"job": self.job, "first": first, "count": count}
        return connection.execute(load_sql.BLOCKS, parameters, binary=True).fetchall()

    def results(self, blocks: Sequence[_Block]) -> list[Row | Rejection]:
        results: list[Row | Rejection] = []
        for number, first_row, content in blocks:
            block = lines(content)
            if number == 0 and self.header is not None:
                block = block[1:]
            results.extend(read_rows(block, first_row, self.format, self.header))
        return results


def _awaited(connection: psycopg.Connection, future: Future[_Part]) -> _Part:
    """Raises what the other thread raised; and psycopg.Error when the waiting transaction was ended."""
    while not wait([future], timeout=STIR_SECONDS).done:
        connection.execute("SELECT 1")
    return future.result()


def _header(line: str | None) -> Header | None:
    return None if line is None else read_header(line.encode())


def _load_part(connection: psycopg.Connection, part: _Part) -> None:
    counts, rejections = load(connection, part.staged)
    reject(connection, part.job, rejections)
    blocks = {"job": part.job, "first": part.first, "next": part.next}
    connection.execute(load_sql.EMPTY_BLOCKS, blocks)
    figures = {
        "created": counts.created,
        "enriched": counts.enriched,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
    }
    row = connection.execute(load_sql.ADVANCE, {**blocks, **figures}).fetchone()
    assert row is not None, "the job is claimed"
    events.tell(connection, LoadAdvanced(*row))
