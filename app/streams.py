"""Server-sent events, whatever they tell (docs/decisions/0142-live-notifications.md).

A stream is told what is new by a look once a second for everybody who listens at this process, instead of
by LISTEN, which does not pass PgBouncer's transaction pooling. Streams are bounded in number and in time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

import structlog
from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from app import metrics
from app.access.principal import TRUSTED, Principal
from app.background import end
from app.errors import Problem, ProblemError
from app.settings import Settings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
# Less than any proxy on the way waits for a sign of life.
PING_SECONDS = 10
RETRY_MILLISECONDS = 2000
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until the stream ends; its client then comes again with Last-Event-ID",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

L = TypeVar("L")


class Watch(Generic[L]):
    """Looks once a second, while somebody listens, for all who do. A look that fails is tried again."""

    def __init__(self, name: str, look: Callable[[Sequence[L]], Awaitable[None]]) -> None:
        self._name = name
        self._look = look
        self._listeners: set[L] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, listener: L) -> Iterator[None]:
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on(), name=self._name)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    async def close(self) -> None:
        await end(self._task)

    async def _look_on(self) -> None:
        """Ends with the last listener."""
        while self._listeners:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look(tuple(self._listeners))
            except ProblemError as error:
                log.info("no look", at=self._name, reason=str(error))


class Places:
    """How many streams this process holds open, in all and for one principal."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def take(self, principal: Principal) -> Callable[[], None]:
        """Returns how to give the place back. Raises ProblemError: overloaded, too-many-requests."""
        if self._taken.total() >= self._most:
            raise ProblemError(Problem.OVERLOADED, "too many streams are open here")
        # Who acts for everybody on a trusted network is not one.
        if principal != TRUSTED.principal and self._taken[principal.id] >= self._most_of_one:
            raise ProblemError(Problem.TOO_MANY_REQUESTS, "you have too many streams open")
        self._count(principal, 1)
        return lambda: self._count(principal, -1)

    def _count(self, principal: Principal, change: int) -> None:
        self._taken[principal.id] += change
        if not self._taken[principal.id]:
            del self._taken[principal.id]
        metrics.STREAMS_OPEN.inc(change)


class Stream(EventSourceResponse):
    """Holds a place from its making to its end, however it ends."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], leave: Callable[[], None]) -> None:
        super().__init__(events, ping=PING_SECONDS)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


def lasting(request: Request) -> float:
    """For how many seconds a stream goes on before who listens has to prove again who it is."""
    return cast("Settings", request.app.state.settings).stream_seconds


def streamed(request: Request, principal: Principal, events: AsyncIterator[ServerSentEvent]) -> Stream:
    """The answer. Raises ProblemError where no place is left."""
    leave = cast("Places", request.app.state.places).take(principal)
    return Stream(_begun(events), leave)


async def _begun(events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(retry=RETRY_MILLISECONDS, comment="begun")
    async for event in events:
        yield event
