"""The loader: takes the next blocks of an unfinished bulk load, batch after batch.

A batch is one transaction: its rows, its refused rows and the note that its blocks are loaded. Whatever ends
it in between, the next attempt finds the blocks still to do, or done. Any number of loaders may run on both
sites; the row lock of a job lets one work on it at a time.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import psycopg
import structlog

from app.imports import events, load_sql
from app.imports.blocks import lines
from app.imports.events import LoadAdvanced
from app.imports.load import OvertakenError, load, reject
from app.imports.rows import Header, read_header, read_rows
from app.imports.schemas import Format, Rejection, Row

log = structlog.get_logger(__name__)

BLOCKS_A_BATCH = 8  # about 30,000 rows; memory follows it
# Whoever may load at all (a rule of the endpoint) loads into the whole base, as duplicates lie anywhere.
ACTS_AS = {"rights": "{customer:*,other:*}", "statement_timeout": "120s", "lock_timeout": "10s"}
RETRIES = 20
RETRY_SECONDS = 0.5  # times the attempt; together longer than any failover
IDLE_SECONDS = 0.5
# A pool may lead to a standby for the moment in which it is being promoted.
PASSING = (OvertakenError, psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)

Results = list[Row | Rejection]


@dataclass(frozen=True, slots=True)
class _Part:
    """Some blocks of a job, read and cleansed ahead of the transaction that loads them."""

    job: UUID
    first: int
    next: int
    results: Results


class Loader:
    """One connection, and one thread that cleanses the next batch while PostgreSQL works on this one."""

    def __init__(self, dsn: str, *, blocks_a_batch: int = BLOCKS_A_BATCH) -> None:
        self._dsn = dsn
        self._blocks = blocks_a_batch
        self._ahead: Future[_Part | None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cleanse")
        self._connection: psycopg.Connection | None = None
        self._reader: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._disconnect()

    def run_until(self, stop: threading.Event) -> None:
        """Load whatever comes until told to stop."""
        while not stop.is_set():
            if not self.step():
                stop.wait(IDLE_SECONDS)

    def drain(self) -> None:
        """Load everything there is, then return."""
        while self.step():
            pass

    def step(self) -> bool:
        """Load one batch; False if there was none. Raises psycopg.Error when its retries are used up."""
        for attempt in range(1, RETRIES + 1):
            try:
                return self._attempt()
            except PASSING as error:
                # The outcome of a COMMIT that was not answered is read from the job at the next attempt.
                log.info("bulk load repeats a batch", attempt=attempt, error=str(error))
                self._disconnect()
                if attempt == RETRIES:
                    raise
                time.sleep(RETRY_SECONDS * attempt)
        raise AssertionError("unreachable")

    def _attempt(self) -> bool:
        connection = self._connect()
        with connection.transaction():
            connection.execute(load_sql.ACT, ACTS_AS)
            row = connection.execute(load_sql.CLAIM).fetchone()
            if row is None:
                return False
            job, format_, header, received, loaded = row
            reading = _Reading(job, Format(format_), _header(header), self._blocks)
            part = self._part(reading, loaded)
            self._ahead = None
            if part.next == part.first:
                raise OvertakenError(f"load {job} is claimed, and its block {loaded} is not to be seen")
            if part.next < received:
                self._ahead = self._thread.submit(self._read_ahead, reading, part.next)
            _load_part(connection, part)
        return True

    def _part(self, reading: _Reading, first: int) -> _Part:
        """What was read ahead, if it is what comes next."""
        ahead = None if self._ahead is None else self._ahead.result()
        if ahead is not None and (ahead.job, ahead.first) == (reading.job, first):
            return ahead
        assert self._connection is not None
        return reading.read(self._connection, first)

    def _read_ahead(self, reading: _Reading, first: int) -> _Part | None:
        try:
            if self._reader is None:
                self._reader = self._open()
            with self._reader.transaction():
                self._reader.execute(load_sql.ACT, ACTS_AS)  # nobody in particular would see no block
                return reading.read(self._reader, first)
        except PASSING as error:
            log.info("reading ahead failed", error=str(error))
            self._reader = None
            return None

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
    count: int

    def read(self, connection: psycopg.Connection, first: int) -> _Part:
        parameters = {"job": self.job, "first": first, "count": self.count}
        blocks = connection.execute(load_sql.BLOCKS, parameters).fetchall()
        results: Results = []
        for number, first_row, content in blocks:
            block = lines(content)
            if number == 0 and self.header is not None:
                block = block[1:]
            results.extend(read_rows(block, first_row, self.format, self.header))
        return _Part(self.job, first, first + len(blocks), results)


def _header(line: str | None) -> Header | None:
    return None if line is None else read_header(line.encode())


def _load_part(connection: psycopg.Connection, part: _Part) -> None:
    counts, rejections = load(connection, part.results)
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
