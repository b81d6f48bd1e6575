"""How long each operation takes while the base grows: flat or logarithmic, the aim is.

In process, as the endpoints call it. The limit of a figure is the same operation at the smallest size, so its
ratio says how many times as long it takes. Sizes: BENCH_GROWTH_SIZES, by default 10,000 and 100,000 cards.
More kinds of searches by size: `benchmarks.search`.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random

from app import pagination
from app.access.principal import TRUSTED
from app.card_transactions import service as card_transactions
from app.card_transactions.schemas import BatchForm, TransactionForm
from app.customers import search, service, window
from app.database.answer import Command
from app.database.database import Database
from app.devserver import CrmDatabase, create_crm_database, running_server
from app.requests import service as requests
from app.requests.channels import Channel
from app.requests.schemas import RequestForm
from benchmarks.harness import Better, Figure, figure
from benchmarks.in_process import FRESH, PATIENCE_S, WARM_UP, Known, opened, p99, sample, times
from benchmarks.search import as_inn, as_mistyped_name
from benchmarks.search_base import SERVER, customer_id, grow

SIZES = tuple(int(size) for size in os.environ.get("BENCH_GROWTH_SIZES", "10000,100000").split(","))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
CALLS = 200  # a run
BATCH = 100  # card transactions
BATCH_CALLS = 20

Operation = Callable[[Known], Awaitable[object]]
# Milliseconds of the calls of each run, by operation.
Runs = Mapping[str, list[list[float]]]
_SUMMARIES: Mapping[str, Callable[[list[float]], float]] = {"median": statistics.median, "p99": p99}
_serial = count()


def measure() -> list[Figure]:
    """For each size and operation: median and 99th percentile in milliseconds, beside the smallest size's."""
    with running_server(SERVER) as server:
        database = create_crm_database(server)
        measured: dict[int, Runs] = {}
        first = 0
        for size in SIZES:
            grow(database.admin_url, first, size)
            measured[size] = asyncio.run(_measured(database, size))
            first = size
    smallest = measured[SIZES[0]]
    return [
        made
        for size, runs in measured.items()
        for name in runs
        for made in _figures(f"growth, {name} at {size:,} customers", runs[name], smallest[name])
    ]


def _figures(name: str, runs: list[list[float]], smallest: list[list[float]]) -> list[Figure]:
    return [
        figure(
            f"{name}, {what}",
            "ms",
            [of(run) for run in runs],
            better=Better.LOWER,
            limit_samples=[of(run) for run in smallest],
        )
        for what, of in _SUMMARIES.items()
    ]


async def _measured(crm: CrmDatabase, size: int) -> Runs:
    """In turns, so that a noisy minute hurts all operations alike."""
    known = sample(crm, size)
    random = Random(size)  # noqa: S311  # the same each time
    async with opened(crm) as database:
        operations = _operations(database, size, random)
        for operation, calls in operations.values():
            await times(known[: min(WARM_UP, calls)], operation)
        measured: dict[str, list[list[float]]] = {name: [] for name in operations}
        for _ in range(RUNS):
            for name, (operation, calls) in operations.items():
                measured[name].append(await times(_drawn(random, known, calls), operation))
    return measured


def _drawn(random: Random, known: Sequence[Known], calls: int) -> list[Known]:
    return [random.choice(known) for _ in range(calls)]


def _operations(database: Database, size: int, random: Random) -> Mapping[str, tuple[Operation, int]]:
    """Each with its calls a run."""
    page = partial(service.page, database, FRESH, limit=50, external_id=None)
    middle = pagination.encode_cursor(customer_id(size // 2))
    names = window.visible(TRUSTED)
    found = partial(search.search, database, FRESH, limit=20)
    return {
        "one-row read": (lambda card: service.get(database, card.id, FRESH), CALLS),
        "first page of 50": (lambda _: page(cursor=None), CALLS),
        "page of 50 in the middle": (lambda _: page(cursor=middle), CALLS),
        "search by INN": (lambda card: found(query=as_inn(random, card)), CALLS),
        "search by a mistyped name": (lambda card: found(query=as_mistyped_name(random, card)), CALLS),
        "single window": (lambda card: window.window(database, card.id, FRESH, names), CALLS),
        "registration of a request": (partial(_register, database), CALLS),
        f"batch of {BATCH} card transactions": (partial(_batch, database, random), BATCH_CALLS),
    }


async def _register(database: Database, card: Known) -> object:
    form = RequestForm(
        customer_id=card.id, channel=Channel.CALL, topic="cards", subject="Вопрос", text="Когда придёт карта?"
    )
    return await requests.register(database, _command(), form)


async def _batch(database: Database, random: Random, _: Known) -> object:
    transactions = tuple(_transaction(random) for _ in range(BATCH))
    return await card_transactions.receive_batch(database, _command(), BatchForm(transactions=transactions))


def _transaction(random: Random) -> TransactionForm:
    return TransactionForm(
        processing_id=f"growth-{next(_serial)}",
        card_token=f"tok_{random.randrange(10**6)}",
        station="AZS-0001",
        product="AI-95",
        quantity=Decimal("40.00"),
        amount=Decimal("2200.00"),
        currency="RUB",
        occurred_at=datetime.now(UTC),
    )


def _command() -> Command:
    return Command("bench", "bench", f"growth-{next(_serial)}", b"0" * 32, PATIENCE_S)
