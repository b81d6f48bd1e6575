"""Rows an hour that a bulk load brings into the base: cleansed, phones normalised, duplicates found.

Its limit is a bare COPY of as many finished rows into a table with the columns and indexes of crm.customer.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from itertools import islice

import psycopg

from app.devserver import CrmDatabase, create_crm_database, running_server
from app.imports.blocks import Splitter, lines
from app.imports.loader import Loader
from app.seeding import customers
from benchmarks.harness import Better, Figure, figure

ROWS = 200_000
RUNS = 3
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


def measure(rows: int = ROWS, runs: int = RUNS) -> list[Figure]:
    """New customers in a base that grows from run to run; then the same file again."""
    loaded, again, limits = [], [], []
    with running_server(SERVER) as server:
        database = create_crm_database(server)
        for run in range(runs):
            loaded.append(_load(database, f"run-{run}", rows, first=run * rows))
            limits.append(_bare_copy(database, rows))
        again.append(_load(database, "again", rows, first=0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    higher = Better.HIGHER
    return [
        figure("bulk load, new customers", "rows/h", loaded, better=higher, limit_samples=limits),
        figure("bulk load, the same file again", "rows/h", again, better=higher, limit_samples=limits),
        figure("bulk load, memory of the loader", "MiB", [peak], better=Better.LOWER),
    ]


def _load(database: CrmDatabase, key: str, rows: int, first: int) -> float:
    """Rows an hour. Making and receiving the file is not measured: its blocks are there."""
    blocks = list(_blocks(customers.rows(1, rows, first=first)))
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        job = connection.execute(_JOB, {"key": key, "blocks": len(blocks)}).fetchone()
        assert job is not None
        first_row = 1
        for number, block in enumerate(blocks):
            connection.execute(_BLOCK, (job[0], number, first_row, block))
            first_row += len(lines(block))
    started = time.perf_counter()
    with Loader(database.url()) as loader:
        loader.drain()
    return rows / (time.perf_counter() - started) * HOUR


def _blocks(rows: Iterator[bytes]) -> Iterator[bytes]:
    splitter = Splitter()
    while piece := b"".join(row + b"\n" for row in islice(rows, 1000)):
        yield from splitter.feed(piece)
    yield from splitter.end()


def _bare_copy(database: CrmDatabase, rows: int) -> float:
    """Finished rows from one table's COPY into another, in the same server."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute(_BARE)
        with connection.cursor().copy(_FINISHED, (rows,)) as copy:
            data = [bytes(piece) for piece in copy]
        started = time.perf_counter()
        with connection.cursor().copy("COPY bare FROM STDIN (FORMAT binary)") as copy:
            for piece in data:
                copy.write(piece)
        seconds = time.perf_counter() - started
        found = connection.execute("SELECT count(*) FROM bare").fetchone()
        assert found is not None
        return int(found[0]) / seconds * HOUR
