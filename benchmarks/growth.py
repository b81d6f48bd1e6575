"""What each operation costs while the base grows: flat or logarithmic, the aim is.

In process, as the endpoints call it, on a base of its own for each size, in turns. Beside the time stand
costs that a busy machine disturbs little or not at all: processor time of the process and of its session, and
the blocks that PostgreSQL looked at. The limit of a figure is the same operation at the smallest size, so its
ratio says how many times as much it costs; `benchmarks.verdict` has the rule by which growth is judged.
Sizes: BENCH_GROWTH_SIZES, by default 10,000 and 100,000 cards.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Callable, Mapping, Sequence

from app.devserver import CrmDatabase, PrivateServer, create_crm_database, running_server
from benchmarks import blocks
from benchmarks.costs import Cost, in_turns
from benchmarks.harness import Better, Figure, figure
from benchmarks.history_base import add_history
from benchmarks.in_process import p99
from benchmarks.search_base import SERVER, grow
from benchmarks.verdict import Growth, growth

SIZES = tuple(int(size) for size in os.environ.get("BENCH_GROWTH_SIZES", "10000,100000").split(","))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
CALLS = 200  # a run
# By which a cost may differ for no reason. Blocks differ with what was drawn; processor time by a factor of
# two with what else the machine keeps in its caches (docs/measurements.md).
BLOCKS_SLACK, PROCESSOR_SLACK = 0.25, 1.0

Runs = Sequence[Cost]
_MEASURES: Mapping[str, tuple[str, Callable[[Cost], float]]] = {
    "median": ("ms", lambda cost: statistics.median(cost.ms)),
    "p99": ("ms", lambda cost: p99(cost.ms)),
    "process": ("µs of processor", lambda cost: cost.process_us),
    "session": ("µs of processor", lambda cost: cost.session_us),
    "PostgreSQL": ("blocks", lambda cost: cost.blocks),
}


def measure() -> list[Figure]:
    """For each operation and size its costs beside the smallest size's; for each operation the verdict."""
    with running_server({**SERVER, **blocks.SERVER}) as server:
        bases = {size: filled(server, size) for size in SIZES}
        measured = asyncio.run(in_turns(bases, RUNS, CALLS))
    return [made for name, by_size in measured.items() for made in figures(name, by_size)]


def filled(server: PrivateServer, size: int) -> CrmDatabase:
    base = create_crm_database(server, f"crm_{size}")
    grow(base.admin_url, 0, size)
    add_history(base.admin_url, size)
    return base


def judged(by_size: Mapping[int, Runs]) -> Growth:
    """The worst of blocks (median of the runs) and processor times (least of the runs: noise only adds)."""
    looked = {size: statistics.median(run.blocks for run in runs) for size, runs in by_size.items()}
    process = {size: min(run.process_us for run in runs) for size, runs in by_size.items()}
    session = {size: min(run.session_us for run in runs) for size, runs in by_size.items()}
    return max(
        growth(looked, BLOCKS_SLACK), growth(process, PROCESSOR_SLACK), growth(session, PROCESSOR_SLACK)
    )


def figures(name: str, by_size: Mapping[int, Runs]) -> list[Figure]:
    smallest = by_size[min(by_size)]
    costs = [
        figure(
            f"growth, {name} at {size:,} customers, {what}",
            unit,
            [of(run) for run in runs],
            better=Better.LOWER,
            limit_samples=[of(run) for run in smallest],
        )
        for size, runs in by_size.items()
        for what, (unit, of) in _MEASURES.items()
    ]
    if len(by_size) == 1:
        return costs
    verdict = judged(by_size)
    unit = ", ".join(f"{each.value} {each}" for each in Growth)
    return [*costs, figure(f"growth, {name}: {verdict}", unit, [verdict], better=Better.LOWER)]
