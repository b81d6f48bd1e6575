"""How long the search box takes while the base grows: identifiers, names as written and mistyped.

The call that the endpoint makes (gate, access, statement, cards), without HTTP; beside it, as the limit, one
card by its id through the same gate. Sizes: BENCH_SEARCH_SIZES, by default ten thousand and a million.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import psycopg
from pydantic import SecretStr

from app.customers import search, service
from app.database.database import Database, Freshness
from app.devserver import CrmDatabase, create_crm_database, running_server
from app.settings import Settings
from benchmarks.harness import Better, Figure, figure
from benchmarks.search_base import SERVER, customer_id, grow

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SEARCH_SIZES", "10000,1000000").split(","))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
FRESH = Freshness("bench")
WARM_UP = 20  # a session plans a prepared statement anew for its first five times
QUERIES = 200  # a run; their 99th percentile is the run's sample
LETTERS = "абвгдежзиклмнопрстуфхцчшю"
_SAMPLE = """
SELECT c.id, c.name, c.inn, t.value
FROM crm.customer c JOIN crm.contact t ON t.customer_id = c.id AND t.kind = 'phone' WHERE c.id = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A card of the base that will be searched for."""

    id: UUID
    name: str
    inn: str
    phone: str


def measure() -> list[Figure]:
    """For each size: 99th percentiles in milliseconds; how often the card meant was among the 20 found."""
    with running_server(SERVER) as server:
        database = create_crm_database(server)
        figures, first = [], 0
        for size in SIZES:
            grow(database.admin_url, first, size)
            figures += asyncio.run(_measured(database, size))
            first = size
        return figures


async def _measured(crm: CrmDatabase, size: int) -> list[Figure]:
    database = Database(
        Settings(database_url=SecretStr(crm.url()), pool_max_size=1, pool_min_size=1, pool_wait_seconds=30)
    )
    await database.open()
    try:
        await _until_open(database)
        known = _sample(crm, size)
        for card in known[:WARM_UP]:
            for make in KINDS.values():
                await search.search(database, FRESH, query=make(Random(0), card), limit=20)  # noqa: S311
        return [
            figure
            for kind, make in KINDS.items()
            for figure in await _kind(database, known, size, kind, make)
        ]
    finally:
        await database.close()


def _sample(crm: CrmDatabase, size: int) -> list[Known]:
    numbers = Random(size).sample(range(size), min(size, 4 * QUERIES))  # noqa: S311  # the same each time
    ids = [customer_id(number) for number in numbers]
    with psycopg.connect(crm.admin_url) as connection:
        return [Known(*row) for row in connection.execute(_SAMPLE, (ids,)).fetchall()]


async def _until_open(database: Database) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            await search.search(database, FRESH, query="нет", limit=1)
        except Exception:  # noqa: BLE001 - outermost guard of a start: whatever is not ready yet is asked again
            await asyncio.sleep(0.2)
        else:
            return
    raise TimeoutError("the base did not open")


def as_inn(_: Random, card: Known) -> str:
    return card.inn


def as_phone(_: Random, card: Known) -> str:
    """As people type it."""
    return f"8 ({card.phone[2:5]}) {card.phone[5:8]}-{card.phone[8:10]}-{card.phone[10:]}"


def as_wrong_phone(random: Random, card: Known) -> str:
    """One digit is wrong."""
    place = random.randrange(5, len(card.phone))
    return "8" + card.phone[2:place] + str((int(card.phone[place]) + 1) % 10) + card.phone[place + 1 :]


def as_name(_: Random, card: Known) -> str:
    return card.name


def as_mistyped_name(random: Random, card: Known) -> str:
    """One typing error in each word of four letters or more."""
    return " ".join(mistyped(random, word) if len(word) > 3 else word for word in card.name.split())  # noqa: PLR2004


def as_one_word(_: Random, card: Known) -> str:
    """The last word alone: a first name that a tenth of all persons have, or the trade of many companies."""
    return card.name.split()[-1]


def mistyped(random: Random, word: str) -> str:
    """A letter replaced, left out, doubled, or exchanged with its neighbour."""
    place = random.randrange(1, len(word) - 1)
    head, letter, tail = word[:place], word[place], word[place + 1 :]
    return random.choice((head + random.choice(LETTERS) + tail, head + tail, head + letter + letter + tail,
                          head + tail[0] + letter + tail[1:]))  # fmt: skip


KINDS: dict[str, Callable[[Random, Known], str]] = {
    "exact INN": as_inn,
    "exact phone": as_phone,
    "phone with a wrong digit": as_wrong_phone,
    "name as written": as_name,
    "name with typing errors": as_mistyped_name,
    "one frequent word": as_one_word,
}


async def _kind(
    database: Database, known: Sequence[Known], size: int, kind: str, make: Callable[[Random, Known], str]
) -> list[Figure]:
    random = Random(kind)  # noqa: S311  # the same each time
    samples, limits, found = [], [], 0
    for _ in range(RUNS):
        cards = [random.choice(known) for _ in range(QUERIES)]
        hits: list[bool] = []

        async def searched(card: Known, hits: list[bool] = hits) -> None:
            matches, _ = await search.search(database, FRESH, query=make(random, card), limit=20)
            hits.append(any(match.customer.id == card.id for match in matches.items))

        samples.append(await _p99(cards, searched))
        limits.append(await _p99(cards, lambda card: service.get(database, card.id, FRESH)))
        found += sum(hits)
    name = f"search at {size:,} customers, {kind}"
    share = found / (RUNS * QUERIES) * 100
    return [
        figure(f"{name}, p99", "ms", samples, better=Better.LOWER, limit_samples=limits),
        figure(f"{name}, card among the first 20", "%", [share], better=Better.HIGHER),
    ]


async def _p99(cards: Sequence[Known], call: Callable[[Known], Awaitable[object]]) -> float:
    times = []
    for card in cards:
        started = time.perf_counter()
        await call(card)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.quantiles(times, n=100)[98]
