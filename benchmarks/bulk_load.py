"""Rows an hour that a bulk load brings into the base: cleansed, phones normalised, duplicates found.

Its limit is a bare COPY of as many finished rows into a table with the columns and indexes of crm.customer.
Processor time stands beside the rates, as a busy machine disturbs it far less. Rows a run: BENCH_BULK_ROWS.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

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
SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
}
HOUR = 3600.0

_JOB = """
WITH job AS (
    INSERT INTO crm.import_job (id, principal, key, format, created_at, received_at, received_blocks)
    VALUES (gen_random_uuid(), 'bench', %(key)s, 'ndjson', now(), now(), %(blocks)s) RETURNING id
), progress AS (INSERT INTO crm.import_progress (job_id) SELECT id FROM job)
SELECT id FROM job
"""
_BLOCK = """
INSERT INTO crm.import_block (job_id, number, first_row, sha256, content) VALUES (%s, %s, %s, '', %s)
"""
_FINISHED = "COPY (SELECT * FROM crm.customer LIMIT %s) TO STDOUT (FORMAT binary)"
_BARE = """
CREATE TABLE bare AS SELECT * FROM crm.customer;
TRUNCATE bare;
ALTER TABLE bare ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON bare (inn, coalesce(kpp, '')) WHERE inn IS NOT NULL;
CREATE UNIQUE INDEX ON bare (ogrn, coalesce(kpp, '')) WHERE ogrn IS NOT NULL
"""


@dataclass(frozen=True)
class Load:
    """What one load was measured at: rows an hour, microseconds of processor time a row, peak memory."""

    rate: float
    loader: float
    database: float
    memory_mib: float


def measure(rows: int = ROWS, runs: int = RUNS) -> list[Figure]:
    """New customers in a base that grows from run to run; then the same file again."""
    loaded, bare = [], []
    with running_server(SERVER) as server:
        database = create_crm_database(server)
        for run in range(runs):
            loaded.append(_load(database, f"run-{run}", rows, first=run * rows))
            bare.append(_bare_copy(database, rows))
        again = [_load(database, "again", rows, first=0)]
    memory = [load.memory_mib for load in loaded]
    return [
        *_figures("bulk load, new customers", loaded, bare),
        *_figures("bulk load, the same file again", again, bare),
        figure("bulk load, peak memory of the loader", "MiB", memory, better=Better.LOWER),
    ]


def _figures(name: str, loads: Sequence[Load], bare: Sequence[Load]) -> list[Figure]:
    def of(what: str) -> tuple[list[float], list[float]]:
        return [getattr(load, what) for load in loads], [getattr(load, what) for load in bare]

    rates, rate_limits = of("rate")
    sessions, session_limits = of("database")
    loader, _ = of("loader")
    higher, lower = Better.HIGHER, Better.LOWER
    return [
        figure(name, "rows/h", rates, better=higher, limit_samples=rate_limits),
        figure(f"{name}, PostgreSQL", "µs/row", sessions, better=lower, limit_samples=session_limits),
        figure(f"{name}, loader", "µs/row", loader, better=lower),
    ]


def _load(database: CrmDatabase, key: str, rows: int, first: int) -> Load:
    """Making and receiving the file is not measured: its blocks are there."""
    _receive(database, key, rows, first)
    started, used = time.perf_counter(), time.process_time()
    with Loader(database.url()) as loader:
        loader.drain()
        seconds, used = time.perf_counter() - started, time.process_time() - used
        sessions = processor.of_sessions(database, Role.APP.value)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Load(rows / seconds * HOUR, used / rows * 1e6, sessions / rows * 1e6, peak)


def _receive(database: CrmDatabase, key: str, rows: int, first: int) -> None:
    blocks = list(_blocks(customers.rows(1, rows, first=first)))
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        job = connection.execute(_JOB, {"key": key, "blocks": len(blocks)}).fetchone()
        assert job is not None
        first_row = 1
        for number, block in enumerate(blocks):
            connection.execute(_BLOCK, (job[0], number, first_row, block))
            first_row += len(lines(block))


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
