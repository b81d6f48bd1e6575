"""What the five steps of an operator at the desk cost: search, card, registration, take, close.

As the load profile `operators` makes them, through HTTP, a few at a time against one worker: processor time
of the API's process and of its sessions, the blocks that PostgreSQL looked at, and the statements it was
sent. Size of the base: BENCH_DESK_SIZE.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from secrets import randbelow

import httpx

from app.devserver import CrmDatabase, running_server
from app.roles import Role
from benchmarks import blocks, processor
from benchmarks.api import Served, serving_crm
from benchmarks.growth import filled
from benchmarks.harness import Better, Figure, figure
from benchmarks.in_process import PATIENCE_S, Known, sample
from benchmarks.search import as_inn, as_mistyped_name, as_phone
from benchmarks.search_base import SERVER

SIZE = int(os.environ.get("BENCH_DESK_SIZE", "10000"))
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
CALLS = 200  # a run
WARM_UP = 60  # for each of the pool's sessions to have met each statement
AT_A_TIME = 4
# Within a second the API has stored whom it has shown what.
_SETTLE_S = 1.5
_serial = count(randbelow(10**9))

Step = Callable[[httpx.AsyncClient, Known], Awaitable[None]]


@dataclass(frozen=True)
class Spent:
    """Means of a request."""

    process_us: float
    sessions_us: float
    blocks: float
    statements: float


_MEASURES: Mapping[str, tuple[str, Callable[[Spent], float]]] = {
    "process": ("µs of processor", lambda spent: spent.process_us),
    "sessions": ("µs of processor", lambda spent: spent.sessions_us),
    "PostgreSQL": ("blocks", lambda spent: spent.blocks),
    "sent": ("statements", lambda spent: spent.statements),
}


class Desk:
    """One base's operators. A request that was registered is taken, one that was taken is closed."""

    def __init__(self, base: CrmDatabase, size: int) -> None:
        self._random = Random(size)  # noqa: S311  # the same each time
        self._known = sample(base, size)
        self._requests: list[str] = []
        self.steps: Mapping[str, Step] = {
            "search": self._search,
            "card": self._card,
            "registration": self._register,
            "take": self._take,
            "close": self._close,
        }

    def cards(self, calls: int) -> Sequence[Known]:
        return [self._random.choice(self._known) for _ in range(calls)]

    async def _search(self, client: httpx.AsyncClient, card: Known) -> None:
        typed = self._random.choice((as_inn, as_phone, as_mistyped_name))(self._random, card)
        answer = await client.get("/customers/search", params={"q": typed, "limit": "10"})
        answer.raise_for_status()

    async def _card(self, client: httpx.AsyncClient, card: Known) -> None:
        (await client.get(f"/customers/{card.id}")).raise_for_status()

    async def _register(self, client: httpx.AsyncClient, card: Known) -> None:
        subject = "Карта не работает"
        body = {"customer_id": str(card.id), "channel": "call", "topic": "cards", "subject": subject}
        self._requests.append((await _post(client, "/requests", {**body, "text": subject}))["id"])

    async def _take(self, client: httpx.AsyncClient, _: Known) -> None:
        """The oldest that was not taken: it goes to the end, to be closed in its turn."""
        id_ = self._requests.pop(0)
        await _post(client, f"/requests/{id_}/take", {"operator": "growth.1"})
        self._requests.append(id_)

    async def _close(self, client: httpx.AsyncClient, _: Known) -> None:
        body = {"operator": "growth.1", "resolution": "Карта разблокирована"}
        await _post(client, f"/requests/{self._requests.pop(0)}/close", body)


async def _post(client: httpx.AsyncClient, path: str, body: Mapping[str, str]) -> dict[str, str]:
    answer = await client.post(path, json=body, headers={"Idempotency-Key": f"desk-{next(_serial)}"})
    answer.raise_for_status()
    made: dict[str, str] = answer.json()
    return made


def measure() -> list[Figure]:
    """Of each step what a request of it costs."""
    with running_server({**SERVER, **blocks.SERVER}) as server:
        base = filled(server, SIZE)
        blocks.install(base)
        with serving_crm(base) as served:
            desk = Desk(base, SIZE)
            work(base, served, desk, WARM_UP)
            spent = [work(base, served, desk, CALLS) for _ in range(RUNS)]
    return [
        figure(f"desk, {step}, {what}", unit, [of(run[step]) for run in spent], better=Better.LOWER)
        for step in desk.steps
        for what, (unit, of) in _MEASURES.items()
    ]


def work(base: CrmDatabase, served: Served, desk: Desk, calls: int) -> Mapping[str, Spent]:
    """One run of all steps, by name."""
    return {name: _spent(base, served, step, desk.cards(calls)) for name, step in desk.steps.items()}


def _spent(base: CrmDatabase, served: Served, step: Step, cards: Sequence[Known]) -> Spent:
    user = Role.APP.value
    used, looked = processor.used(base, served.pid, user), blocks.looked(base, user)
    asyncio.run(_done(served.base, step, cards))
    time.sleep(_SETTLE_S)
    used, looked = processor.used(base, served.pid, user) - used, blocks.looked(base, user) - looked
    calls = len(cards)
    return Spent(
        used.server_s / calls * 1e6,
        used.database_s / calls * 1e6,
        looked.blocks / calls,
        looked.statements / calls,
    )


async def _done(base: str, step: Step, cards: Sequence[Known]) -> None:
    left = iter(cards)
    async with httpx.AsyncClient(base_url=f"{base}/api/v1", timeout=PATIENCE_S) as client:

        async def operator() -> None:
            for card in left:
                await step(client, card)

        await asyncio.gather(*(operator() for _ in range(AT_A_TIME)))
