"""The bench of growth on small bases: what it says of operations of which we know how they grow."""

from __future__ import annotations

import psycopg
import pytest

from app.access.principal import TRUSTED
from app.database.units import ACT
from app.devserver import THROWAWAY, running_server
from benchmarks import blocks
from benchmarks.costs import benches
from benchmarks.growth import BLOCKS_SLACK, filled
from benchmarks.verdict import Growth, growth

SIZES = (1_000, 8_000)
CALLS = 3
# Without index and limit, as nothing in the API is.
SCAN = "SELECT count(*) FROM crm.contact WHERE value LIKE '%9%9%'"


@pytest.fixture(scope="module")
def bases():
    with running_server({**THROWAWAY, **blocks.SERVER}) as server:
        yield {size: filled(server, size) for size in SIZES}


async def _blocks_of_a_scan(bench):
    """By the API's role, as an operation of the API would do it."""
    with psycopg.connect(bench.base.url()) as connection:
        connection.execute(ACT, TRUSTED.parameters)

        async def scan(_):
            connection.execute(SCAN)

        return (await bench.cost(scan, CALLS)).blocks


async def test_a_scan_is_worse_and_one_card_is_not(bases):
    async with benches(bases, CALLS) as opened:
        scans = {size: await _blocks_of_a_scan(bench) for size, bench in opened.items()}
        reads = {size: (await bench.run("one-row read")).blocks for size, bench in opened.items()}
    assert growth(scans, BLOCKS_SLACK) is Growth.WORSE
    assert growth(reads, BLOCKS_SLACK) < Growth.WORSE
    assert min(reads.values()) >= 3  # the index and both tables, at least
