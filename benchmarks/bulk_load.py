"""Rows an hour that a bulk load brings into the base: cleansed, phones normalised, duplicates found.

Its limit is a bare COPY of as many finished rows into a table with the columns and indexes of crm.customer.
Processor time stands beside the rates, as a busy machine disturbs it far less. Each load has a process of its
own, so that the most memory that it held is its own as well; a load ten times as long must not hold more.
Rows a run: BENCH_BULK_ROWS; rows of the two loads whose memory is compared: BENCH_BULK_MEMORY_ROWS.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

import psycopg

from app.devserver import CrmDatabase, create_crm_database, running_server
from app.imports.blocks import Splitter, lines
from app.imports.loader import Loader
from app.roles import Role
from app.seeding import customers
from benchmarks import processor
from benchmarks.harness import Better, Figure, figure

ROWS = int(os.environ.get("BENCH_BULK_ROWS", "200000"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
SHORT, LONG = map(int, os.environ.get("BENCH_BULK_MEMORY_ROWS", "100000,1000000").split(","))
SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
}
HOUR = 3600.0

_JOB = """
WITH job AS (
    INSERT INTO crm.import_job (id, principal, key, format, created_at)
    VALUES (gen_random_uuid(), 'bench', %(key)s, 'ndjson', now()) RETURNING id
), progress AS (INSERT INTO crm.import_progress (job_id) SELECT id FROM job)
SELECT id FROM job
"""
_BLOCK = """
INSERT INTO crm.import_block (job_id, number, first_row, sha256, content) VALUES (%s, %s, %s, '', %s)
"""
_RECEIVED = "UPDATE crm.import_job SET received_at = now(), received_blocks = %(blocks)s WHERE id = %(job)s"
_FINISHED = "COPY (SELECT * FROM crm.customer LIMIT %s) TO STDOUT (FORMAT binary)"
_BARE = "CREATE TABLE bare (LIKE crm.customer INCLUDING INDEXES)"


@dataclass(frozen=True)
class Load:
    """What one load was measured at: rows an hour, microseconds of processor time a row, peak memory."""

    rate: float
    loader: float
    database: float
    memory_mib: float


def measure(rows: int = ROWS, runs: int = RUNS, short: int = SHORT, long: int = LONG) -> list[Figure]:
    """New customers in a base that grows from run to run; the first file again; a short and a long file."""
    loaded, bare = [], []
    with running_server(SERVER) as server:
        database = create_crm_database(server)
        for run in range(runs):
            loaded.append(_load(database, f"run-{run}", rows, first=run * rows))
            bare.append(_bare_copy(database, rows))
        again = [_load(database, "again", rows, first=0)]
        of_short = _load(database, "short", short, first=runs * rows)
        of_long = _load(database, "long", long, first=runs * rows + short)
    return [
        *_figures("bulk load, new customers", loaded, bare),
        *_figures("bulk load, the same file again", again, bare),
        figure(f"bulk load, {long:,} new customers", "rows/h", [of_long.rate], better=Better.HIGHER),
        _memory(f"bulk load, peak memory of the loader, {long:,} rows beside {short:,}", of_long, of_short),
    ]


def _memory(name: str, long: Load, short: Load) -> Figure:
    samples, limits = [long.memory_mib], [short.memory_mib]
    return figure(name, "MiB", samples, better=Better.LOWER, limit_samples=limits)


def _figures(name: str, loads: Sequence[Load], bare: Sequence[Load]) -> list[Figure]:
    """Both together: two cores have 120 µs a row at 60 million rows an hour."""

    def of(what: str) -> tuple[list[float], list[float]]:
        return [getattr(load, what) for load in loads], [getattr(load, what) for load in bare]

    rates, rate_limits = of("rate")
    sessions, session_limits = of("database")
    loader, _ = of("loader")
    together = [load.loader + load.database for load in loads]
    higher, lower = Better.HIGHER, Better.LOWER
    return [
        figure(name, "rows/h", rates, better=higher, limit_samples=rate_limits),
        figure(f"{name}, PostgreSQL", "µs/row", sessions, better=lower, limit_samples=session_limits),
        figure(f"{name}, loader", "µs/row", loader, better=lower),
        figure(f"{name}, both", "µs/row", together, better=lower),
    ]


def _load(database: CrmDatabase, key: str, rows: int, first: int) -> Load:
    """Not measured: making and receiving the file, whose blocks are there, and the start of the process."""
    _receive(database, key, rows, first)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_drain, database.url(), database.admin_url, rows).result()


def _drain(url: str, admin_url: str, rows: int) -> Load:
    """In a process of its own."""
    started, used = time.perf_counter(), time.process_time()
    with Loader(url) as loader:
        loader.drain()
        seconds, used = time.perf_counter() - started, time.process_time() - used
        sessions = processor.of_sessions(admin_url, Role.APP.value)
    return Load(rows / seconds * HOUR, used / rows * 1e6, sessions / rows * 1e6, processor.peak_memory_mib())


def _receive(database: CrmDatabase, key: str, rows: int, first: int) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        job = connection.execute(_JOB, {"key": key}).fetchone()
        assert job is not None
        first_row, number = 1, -1
        for number, block in enumerate(_blocks(customers.rows(1, rows, first=first))):
            connection.execute(_BLOCK, (job[0], number, first_row, block))
            first_row += len(lines(block))
        connection.execute(_RECEIVED, {"job": job[0], "blocks": number + 1})


def _blocks(rows: Iterator[bytes]) -> Iterator[bytes]:
    splitter = Splitter()
    while piece := b"".join(row + b"\n" for row in islice(rows, 1000)):
        yield from splitter.feed(piece)
    yield from splitter.end()


def _bare_copy(database: CrmDatabase, rows: int) -> Load:
    """Finished rows from one table's COPY into another, in the same server."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(_BARE)
        with connection.cursor().copy(_FINISHED, (rows,)) as copy:
            data = [bytes(piece) for piece in copy]
        backend = connection.info.backend_pid
        started, session, used = time.perf_counter(), processor.of_process(backend), time.process_time()
        with connection.cursor().copy("COPY bare FROM STDIN (FORMAT binary)") as copy:
            for piece in data:
                copy.write(piece)
        seconds, used = time.perf_counter() - started, time.process_time() - used
        session = processor.of_process(backend) - session
        row = connection.execute("SELECT count(*) FROM bare").fetchone()
        assert row is not None
        found = int(row[0])
        return Load(found / seconds * HOUR, used / found * 1e6, session / found * 1e6, 0.0)
