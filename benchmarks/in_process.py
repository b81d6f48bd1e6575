"""Operations without HTTP: the calls that endpoints make, one after the other, on a base of a known size."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from uuid import UUID

import psycopg
from pydantic import SecretStr

from app.customers import search
from app.database.database import Database, Freshness
from app.devserver import CrmDatabase
from app.settings import Settings
from benchmarks.search_base import customer_id

FRESH = Freshness("bench")
WARM_UP = 20  # a session plans a prepared statement anew for its first five times
_KNOWN = 800  # cards that are asked for, of all there are
PATIENCE_S = 30
_SAMPLE = """
SELECT c.id, c.name, c.inn, t.value
FROM crm.customer c JOIN crm.contact t ON t.customer_id = c.id AND t.kind = 'phone' WHERE c.id = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A card of the base that will be asked for."""

    id: UUID
    name: str
    inn: str
    phone: str


@asynccontextmanager
async def opened(crm: CrmDatabase) -> AsyncIterator[Database]:
    """The API's own way to the base, with a pool of one session."""
    settings = Settings(
        database_url=SecretStr(crm.url()),
        pool_max_size=1,
        pool_min_size=1,
        pool_wait_seconds=PATIENCE_S,
        # A machine that does other work too must not look like an outage.
        probe_timeout_seconds=PATIENCE_S,
        request_deadline_seconds=PATIENCE_S,
    )
    database = Database(settings)
    await database.open()
    try:
        await _until_open(database)
        yield database
    finally:
        await database.close()


async def _until_open(database: Database) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            await search.search(database, FRESH, query="нет", limit=1)
        except Exception:  # noqa: BLE001 - outermost guard of a start: whatever is not ready yet is asked again
            await asyncio.sleep(0.2)
        else:
            return
    raise TimeoutError("the base did not open")


def sample(crm: CrmDatabase, size: int) -> list[Known]:
    """Some of the cards of `benchmarks.search_base`, the same each time."""
    numbers = Random(size).sample(range(size), min(size, _KNOWN))  # noqa: S311  # the same each time
    ids = [customer_id(number) for number in numbers]
    with psycopg.connect(crm.admin_url) as connection:
        return [Known(*row) for row in connection.execute(_SAMPLE, (ids,)).fetchall()]


async def times(cards: Sequence[Known], call: Callable[[Known], Awaitable[object]]) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for card in cards:
        started = time.perf_counter()
        await call(card)
        found.append((time.perf_counter() - started) * 1000)
    return found


def p99(found: Sequence[float]) -> float:
    return statistics.quantiles(found, n=100)[98]
