"""What a run of an operation costs: time, processor time of process and session, blocks looked at."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from app.devserver import CrmDatabase
from app.roles import Role
from benchmarks import blocks, processor
from benchmarks.in_process import WARM_UP, Known, opened, sample, times
from benchmarks.operations import Operation, operations


@dataclass(frozen=True)
class Cost:
    """Milliseconds of the calls; of the rest the mean of a call."""

    ms: Sequence[float]
    process_us: float
    session_us: float
    blocks: float


@dataclass(frozen=True)
class Bench:
    """A base, some of its cards, and what can be done with them. `of_all`: each with its calls a run."""

    base: CrmDatabase
    known: Sequence[Known]
    of_all: Mapping[str, tuple[Operation, int]]
    random: Random

    async def run(self, name: str) -> Cost:
        operation, calls = self.of_all[name]
        return await self.cost(operation, calls)

    async def cost(self, operation: Callable[[Known], Awaitable[object]], calls: int) -> Cost:
        cards = [self.random.choice(self.known) for _ in range(calls)]
        looked, session = self._read()
        process = time.process_time()
        ms = await times(cards, operation)
        process = time.process_time() - process
        looked_then, session_then = self._read()
        return Cost(
            ms,
            process / calls * 1e6,
            (session_then - session) / calls * 1e6,
            (looked_then - looked).blocks / calls,
        )

    def _read(self) -> tuple[blocks.Looked, float]:
        user = Role.APP.value
        return blocks.looked(self.base, user), processor.of_sessions(self.base.admin_url, user)


@asynccontextmanager
async def benches(bases: Mapping[int, CrmDatabase], calls: int) -> AsyncIterator[Mapping[int, Bench]]:
    """By size, all open at once, and warm: a prepared statement is planned anew for its first five times."""
    async with AsyncExitStack() as stack:
        made = {}
        for size, base in bases.items():
            blocks.install(base)
            database = await stack.enter_async_context(opened(base))
            random = Random(size)  # noqa: S311  # the same each time
            bench = Bench(base, sample(base, size), operations(database, size, random, calls), random)
            for operation, most in bench.of_all.values():
                await bench.cost(operation, min(WARM_UP, most))
            made[size] = bench
        yield made


async def in_turns(
    bases: Mapping[int, CrmDatabase], runs: int, calls: int
) -> Mapping[str, Mapping[int, Sequence[Cost]]]:
    """By operation and size. A noisy minute hurts all sizes alike."""
    async with benches(bases, calls) as open_ones:
        names = list(next(iter(open_ones.values())).of_all)
        measured: dict[str, dict[int, list[Cost]]] = {name: {size: [] for size in bases} for name in names}
        for _ in range(runs):
            for name in names:
                for size, bench in open_ones.items():
                    measured[name][size].append(await bench.run(name))
    return measured
