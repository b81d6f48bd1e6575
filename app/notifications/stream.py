"""Notifications live, by server-sent events (docs/decisions/0142-live-notifications.md).

Ids carry their time of making, not of commit: each look goes back `OVERLAP` before the last one that
succeeded, and a listener is not told twice what it was told already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from app.access.policy import Role
from app.access.principal import Principal, access_of, acting_as
from app.database.database import Database, Freshness
from app.identity import MILLISECONDS_SHIFT, first_id, now
from app.notifications import repository
from app.notifications.schemas import Notification
from app.streams import Watch

# Longer than any transaction and any difference of clocks between two hosts.
OVERLAP = timedelta(seconds=90)
FRESHNESS = Freshness("crm notifications")
# It looks for all who listen at once; each listener's right was checked before it came here.
ACCESS = access_of(Principal("notifications", frozenset({Role.SYSTEM})))
NO_TIME = UUID(int=0)


def since(last_event_id: str | None) -> UUID:
    """Where a stream goes on: everything unread, or what may have come since the last one told. Pure."""
    try:
        last = UUID(last_event_id or "")
    except ValueError:
        return NO_TIME
    overlap = int(OVERLAP.total_seconds() * 1000) << MILLISECONDS_SHIFT
    return UUID(int=max(last.int - overlap, 0))


@dataclass(frozen=True, eq=False, slots=True)
class Listener:
    recipient: str
    queue: asyncio.Queue[Notification] = field(default_factory=asyncio.Queue)


class Hub:
    """The notifications of all who listen at this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch = Watch("notifications", self._look)
        self._looked = now()

    async def follow(self, recipient: str, after: UUID, seconds: float) -> AsyncIterator[Notification]:
        """What is unread after an id, then what comes, for so long. At least once, across streams."""
        listener = Listener(recipient)
        told: set[UUID] = set()
        until = time.monotonic() + seconds
        with self._watch.listening(listener):
            for notification in await self._unread([recipient], after):
                listener.queue.put_nowait(notification)
            while (left := until - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        notification = await listener.queue.get()
                    if notification.id not in told:
                        told.add(notification.id)
                        yield notification

    async def close(self) -> None:
        await self._watch.close()

    async def _look(self, listeners: Sequence[Listener]) -> None:
        moment = now()
        recipients = {listener.recipient for listener in listeners}
        found = await self._unread(recipients, first_id(self._looked - OVERLAP))
        self._looked = moment
        for listener in listeners:
            for notification in found:
                if notification.recipient == listener.recipient:
                    listener.queue.put_nowait(notification)

    async def _unread(self, recipients: Iterable[str], after: UUID) -> Sequence[Notification]:
        parameters = {"recipients": list(recipients), "after": after}
        with acting_as(ACCESS):
            found = await self._database.read(repository.UNREAD_OF_ALL, parameters, FRESHNESS)
        return found.rows
