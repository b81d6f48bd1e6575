"""Notifications live, by server-sent events (docs/decisions/0142-live-notifications.md).

One look a second for everybody who listens at this process, instead of LISTEN, which does not pass
PgBouncer's transaction pooling. Ids carry their time of making, not of commit: each look goes back `OVERLAP`
before the last one that succeeded, and a listener is not told twice what it was told already.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from app.access.policy import Role
from app.access.principal import Principal, access_of, acting_as
from app.database.database import Database, Freshness
from app.errors import ProblemError
from app.identity import now
from app.notifications import repository
from app.notifications.schemas import Notification

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
# Longer than any transaction and any difference of clocks between two hosts.
OVERLAP = timedelta(seconds=90)
FRESHNESS = Freshness("crm notifications")
# It looks for all who listen at once; each listener's right was checked before it came here.
ACCESS = access_of(Principal("notifications", frozenset({Role.SYSTEM})))
_MILLISECONDS_SHIFT = 80
NO_TIME = UUID(int=0)

Queue = asyncio.Queue[Notification]


def first_id(at: datetime) -> UUID:
    """Below every UUIDv7 made at that moment or later."""
    return UUID(int=int(at.timestamp() * 1000) << _MILLISECONDS_SHIFT)


def since(last_event_id: str | None) -> UUID:
    """Where a stream goes on: everything unread, or what may have come since the last one told. Pure."""
    try:
        last = UUID(last_event_id or "")
    except ValueError:
        return NO_TIME
    overlap = int(OVERLAP.total_seconds() * 1000) << _MILLISECONDS_SHIFT
    return UUID(int=max(last.int - overlap, 0))


class Hub:
    """Looks while somebody listens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[str, set[Queue]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    async def follow(self, recipient: str, after: UUID, seconds: float) -> AsyncIterator[Notification]:
        """What is unread after an id, then what comes, for so long. At least once, across streams."""
        queue: Queue = asyncio.Queue()
        self._listen(recipient, queue)
        told: set[UUID] = set()
        until = time.monotonic() + seconds
        try:
            for notification in await self._unread([recipient], after):
                queue.put_nowait(notification)
            while (left := until - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        notification = await queue.get()
                    if notification.id not in told:
                        told.add(notification.id)
                        yield notification
        finally:
            self._leave(recipient, queue)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _listen(self, recipient: str, queue: Queue) -> None:
        self._listeners[recipient].add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_for_ever(), name="notifications")

    def _leave(self, recipient: str, queue: Queue) -> None:
        self._listeners[recipient].discard(queue)
        if not self._listeners[recipient]:
            del self._listeners[recipient]

    async def _look_for_ever(self) -> None:
        """Ends with the last listener."""
        looked = now()
        while self._listeners:
            await asyncio.sleep(LOOK_SECONDS)
            moment = now()
            try:
                found = await self._unread(list(self._listeners), first_id(looked - OVERLAP))
            except ProblemError as error:
                log.info("no look at notifications", reason=str(error))  # the next one goes back further
                continue
            looked = moment
            for notification in found:
                for queue in self._listeners.get(notification.recipient, ()):
                    queue.put_nowait(notification)

    async def _unread(self, recipients: Sequence[str], after: UUID) -> Sequence[Notification]:
        parameters = {"recipients": list(recipients), "after": after}
        with acting_as(ACCESS):
            found = await self._database.read(repository.UNREAD_OF_ALL, parameters, FRESHNESS)
        return found.rows
