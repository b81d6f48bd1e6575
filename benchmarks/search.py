"""How long the search box takes while the base grows: identifiers, names as written and mistyped.

The call that the endpoint makes (gate, access, statement, cards), without HTTP; beside it, as the limit, one
card by its id through the same gate. Sizes: BENCH_SEARCH_SIZES, by default ten thousand and a million.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from random import Random

from app.customers import search, service
from app.database.database import Database
from app.devserver import CrmDatabase, create_crm_database, running_server
from benchmarks.harness import Better, Figure, figure
from benchmarks.in_process import FRESH, WARM_UP, Known, opened, p99, sample, times
from benchmarks.search_base import SERVER, grow

SIZES = tuple(int(size) for size in os.environ.get("BENCH_SEARCH_SIZES", "10000,1000000").split(","))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
QUERIES = 200  # a run; their 99th percentile is the run's sample
LETTERS = "абвгдежзиклмнопрстуфхцчшю"


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
    async with opened(crm) as database:
        known = sample(crm, size)
        for card in known[:WARM_UP]:
            for make in KINDS.values():
                await search.search(database, FRESH, query=make(Random(0), card), limit=20)  # noqa: S311
        return [
            figure
            for kind, make in KINDS.items()
            for figure in await _kind(database, known, size, kind, make)
        ]


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

        samples.append(p99(await times(cards, searched)))
        limits.append(p99(await times(cards, lambda card: service.get(database, card.id, FRESH))))
        found += sum(hits)
    name = f"search at {size:,} customers, {kind}"
    share = found / (RUNS * QUERIES) * 100
    return [
        figure(f"{name}, p99", "ms", samples, better=Better.LOWER, limit_samples=limits),
        figure(f"{name}, card among the first 20", "%", [share], better=Better.HIGHER),
    ]
