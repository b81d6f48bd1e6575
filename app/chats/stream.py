"""Chats live, by server-sent events (docs/decisions/0142-live-notifications.md).

Ids of one chat rise in the order of their commits (`repository.add`), so the last one told says exactly where
a stream goes on: nothing is skipped and nothing told twice, whichever process of whichever site goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from app.access.policy import Role
from app.access.principal import Principal, access_of, acting_as
from app.chats import repository
from app.chats.schemas import ChatMessage
from app.database.database import Database, Freshness
from app.errors import ProblemError
from app.streams import LOOK_SECONDS, Watch

log = structlog.get_logger(__name__)

PAGE = 200
FRESHNESS = Freshness("crm chats")
# It looks for all who listen at once, and only says in which chats there is something: each listener reads
# for itself, as whoever it is.
ACCESS = access_of(Principal("chats", frozenset({Role.SYSTEM})))


@dataclass(eq=False, slots=True)
class Follower:
    """`after`: the last message that was read for it."""

    chat: UUID
    after: UUID
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def woken(self, seconds: float) -> bool:
        """Whether a look has found something, within so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.news.wait()
        except TimeoutError:
            return False
        return True


class Chats:
    """The chats of all who listen at this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch = Watch("chats", self._look)

    async def follow(
        self, chat: UUID, after: UUID, seconds: float, freshness: Freshness
    ) -> AsyncIterator[ChatMessage]:
        """What was written after a message, then what comes, for so long; with the eyes of who listens.

        Goes on through a failover. Ends early when what is there is not shown any more: its listener has
        lost the right, and is told so when it comes again.
        """
        follower = Follower(chat, after)
        until = time.monotonic() + seconds
        woken = False
        with self._watch.listening(follower):
            while (left := until - time.monotonic()) > 0:
                found = await self._later(follower, freshness)
                if woken and found is not None and not found:
                    return
                for message in found or ():
                    yield message
                woken = await self._wait(follower, found, left)

    async def close(self) -> None:
        await self._watch.close()

    async def _wait(self, follower: Follower, found: Sequence[ChatMessage] | None, left: float) -> bool:
        """Until there may be more. True: a look has found it."""
        if found is None:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            return False
        return len(found) < PAGE and await follower.woken(left)

    async def _later(self, follower: Follower, freshness: Freshness) -> Sequence[ChatMessage] | None:
        """None: no database answers now."""
        parameters = {"customer_id": follower.chat, "after": follower.after, "rows": PAGE}
        try:
            found = (await self._database.read(repository.LATER, parameters, freshness)).rows
        except ProblemError as error:
            log.info("a chat is not read now", reason=str(error))
            return None
        if found:
            follower.after = found[-1].id
        # What came meanwhile, the next look finds: it compares with what was read.
        follower.news.clear()
        return found

    async def _look(self, followers: Sequence[Follower]) -> None:
        behind: dict[UUID, UUID] = {}
        for each in followers:
            behind[each.chat] = min(each.after, behind.get(each.chat, each.after))
        parameters = {"chats": list(behind), "after": list(behind.values())}
        with acting_as(ACCESS):
            found = await self._database.read(repository.NEWEST, parameters, FRESHNESS)
        newest = dict(found.rows)
        for each in followers:
            if each.chat in newest and newest[each.chat] > each.after:
                each.news.set()
