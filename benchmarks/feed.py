"""Card transactions a second that the API takes in batches, through HTTP, beside the same rows bare.

One API worker, one private PostgreSQL, several channels at once. The limits are a COPY, and INSERTs of as
many rows each, into one plain table with the keys and indexes that the feed keeps: no partitions, no
access, no validation, no idempotency, no HTTP.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx
import psycopg

from app.devserver import CrmDatabase, create_crm_database, running_server
from benchmarks.api import serving_crm
from benchmarks.harness import Better, Figure, alternating, figure
from benchmarks.load import LoadError

BATCH = 1000  # the most that the API takes at once
BATCHES = 40
CHANNELS = 4
RUNS = 5
CARDS, STATIONS = 50_000, 2_000
SERVER = {"shared_buffers": "512MB", "max_wal_size": "4GB"}

_COLUMNS = (
    "processing_id",
    "card_token",
    "station",
    "product",
    "quantity",
    "amount",
    "currency",
    "occurred_at",
)
_BARE = """
DROP TABLE IF EXISTS bare;
CREATE TABLE bare (
    processing_id text PRIMARY KEY, card_token text NOT NULL, station text NOT NULL, product text NOT NULL,
    quantity numeric(12, 3) NOT NULL, amount numeric(14, 2) NOT NULL, currency char(3) NOT NULL,
    occurred_at timestamptz NOT NULL);
CREATE INDEX ON bare (card_token, occurred_at)
"""
_INSERT = """
INSERT INTO bare
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::text[],
                     %s::timestamptz[])
"""
Row = tuple[str, ...]
Batch = Sequence[Row]


def measure(batches: int = BATCHES, runs: int = RUNS) -> list[Figure]:
    """Rows a second, in turns; every run sends other rows, so the tables grow as they do in life.

    Raises:
        LoadError: a batch was not taken as a whole.
    """
    with ExitStack() as stack:
        database = create_crm_database(stack.enter_context(running_server(SERVER)))
        base = stack.enter_context(serving_crm(database)).base
        drawn = random.Random(1)  # noqa: S311  # the same rows each time
        numbers = iter(range(1_000_000))

        def fresh() -> list[Batch]:
            return [_batch(drawn, next(numbers)) for _ in range(batches)]

        taken, copied, inserted = alternating(
            runs,
            lambda: _through_the_api(base, fresh()),
            lambda: _copy(database, fresh()),
            lambda: _insert(database, fresh()),
        )
    name, higher = "processing feed, batches of 1,000", Better.HIGHER
    return [
        figure(f"{name}, beside bare COPY", "transactions/s", taken, better=higher, limit_samples=copied),
        figure(f"{name}, beside bare INSERT", "transactions/s", taken, better=higher, limit_samples=inserted),
    ]


def _batch(drawn: random.Random, number: int) -> list[Row]:
    since = datetime.now(UTC) - timedelta(hours=1)
    return [_row(drawn, f"bench:{number}:{place}", since) for place in range(BATCH)]


def _row(drawn: random.Random, id_: str, since: datetime) -> Row:
    litres = drawn.randrange(500, 9000)
    return (
        id_,
        f"tok_{drawn.randrange(CARDS):012d}x",
        f"АЗС-{drawn.randrange(STATIONS):04}",
        drawn.choice(("AI-92", "AI-95", "AI-98", "DT")),
        f"{litres / 100:.3f}",
        f"{litres * 0.6:.2f}",
        "RUB",
        (since + timedelta(seconds=drawn.randrange(3600))).isoformat(),
    )


def _through_the_api(base: str, batches: Sequence[Batch]) -> float:
    bodies = [{"transactions": [dict(zip(_COLUMNS, row, strict=True)) for row in batch]} for batch in batches]
    with httpx.Client(base_url=base, timeout=30) as client, ThreadPoolExecutor(CHANNELS) as channels:
        started = time.perf_counter()
        accepted = sum(channels.map(lambda body: _send(client, body), bodies))
        seconds = time.perf_counter() - started
    if accepted != sum(map(len, batches)):
        raise LoadError(f"{accepted} transactions were accepted as new, {sum(map(len, batches))} were sent")
    return accepted / seconds


def _send(client: httpx.Client, body: dict[str, list[dict[str, str]]]) -> int:
    key = body["transactions"][0]["processing_id"]
    answer = client.post("/api/v1/card-transactions/batch", json=body, headers={"Idempotency-Key": key})
    if not answer.is_success:
        raise LoadError(f"{answer.status_code}: {answer.text[:500]}")
    return int(answer.json()["accepted"])


def _rows(batches: Sequence[Batch]) -> Iterator[Row]:
    return (row for batch in batches for row in batch)


def _copy(database: CrmDatabase, batches: Sequence[Batch]) -> float:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(_BARE)
        started = time.perf_counter()
        with connection.cursor().copy("COPY bare FROM STDIN") as copy:
            for row in _rows(batches):
                copy.write_row(row)
        return sum(map(len, batches)) / (time.perf_counter() - started)


def _insert(database: CrmDatabase, batches: Sequence[Batch]) -> float:
    """One statement and one commit a batch, as the feed."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(_BARE)
        started = time.perf_counter()
        for batch in batches:
            columns = [list(column) for column in zip(*batch, strict=True)]
            connection.execute(_INSERT, columns)
        return sum(map(len, batches)) / (time.perf_counter() - started)
