"""Filling a base: generated rows through the same load that files go through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import psycopg

from app.imports import load_sql
from app.imports.load import load
from app.imports.loader import ACTS_AS
from app.imports.rows import read_rows
from app.imports.schemas import Format
from app.imports.staging import stage
from app.seeding import customers

BATCH = 20_000


def seed_customers(dsn: str, count: int, seed: int) -> Iterator[int]:
    """Yields the number of rows done after each batch. Seeding again changes nothing: rows find their cards.

    Raises psycopg.Error; batches before it are there, and the same call goes on after them.
    """
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="crm seed") as connection:
        lines = customers.rows(seed, count)
        done = 0
        while batch := list(islice(lines, BATCH)):
            staged = stage(list(read_rows(batch, done + 1, Format.NDJSON, None)), registered={})
            with connection.transaction():
                connection.execute(load_sql.ACT, ACTS_AS)
                load(connection, staged)
            done += len(batch)
            yield done
