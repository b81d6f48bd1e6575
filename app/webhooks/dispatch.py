"""The dispatcher: claims what is due, sends it, notes what became of it.

Claiming and noting are transactions of their own; between them nothing is locked, and the lease says whose
it is. What cannot be noted, as in a switch of sites, is tried to be noted again. A worker that is told to end
notes what it had under way before its office is free; of one that was lost the next sends it again after the
lease: at least once. A slow subscriber holds up nobody else, as each has its own group under way.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from uuid import UUID

import psycopg
import structlog

from app import metrics
from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.execution import Work
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import ProblemError
from app.identity import now
from app.webhooks import dispatch_sql, schedule
from app.webhooks.dispatch_sql import CLAIM_SECONDS, Claimed, Outcome, Recipient, Target
from app.webhooks.schemas import DeliveryStatus
from app.webhooks.sending import Fate, Result, Sender

log = structlog.get_logger(__name__)

# What was answered is tried to be noted for so long: a primary is replaced in less.
NOTE_SECONDS = 60.0
NOTE_AGAIN_SECONDS = 0.5

_STATUS = {
    Fate.DELIVERED: DeliveryStatus.DELIVERED,
    Fate.FAILED: DeliveryStatus.PENDING,
    Fate.UNREACHED: DeliveryStatus.PENDING,
    Fate.GONE: DeliveryStatus.DEAD,
    Fate.REFUSED: DeliveryStatus.DEAD,
}


class Dispatcher:
    """`step` is the worker's job; it starts groups and does not wait for them."""

    def __init__(self, senders: Mapping[Target, Sender]) -> None:
        self._senders = senders
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._closing = False

    async def step(self, database: Database, command: Command) -> bool:
        self._command = command
        claimed: list[Claimed] = []

        async def work(unit: WriteUnit) -> Answer:
            claimed.extend(await dispatch_sql.claim(unit, tuple(self._busy), tuple(self._senders)))
            return Answer(200, encode({"claimed": len(claimed)}))

        await database.write(replace(command, deadline_seconds=CLAIM_SECONDS), work)
        for recipient, group in groupby(claimed, key=lambda each: each.recipient):
            self._start(database, recipient, tuple(group))
        return False

    def _start(self, database: Database, recipient: Recipient, group: Sequence[Claimed]) -> None:
        task = asyncio.create_task(self._deliver(database, recipient, group), name=f"deliver {recipient.id}")
        self._busy[recipient.id] = task
        task.add_done_callback(lambda _: self._busy.pop(recipient.id))

    async def _deliver(self, database: Database, recipient: Recipient, group: Sequence[Claimed]) -> None:
        sender = self._senders[recipient.target]
        results = await asyncio.gather(*(sender.send(claimed) for claimed in group))

        async def work(unit: WriteUnit) -> Answer:
            await dispatch_sql.note(unit, recipient.id, [*map(outcome, group, results)])
            await _note_recipient(unit, recipient, results)
            return Answer(200, b"{}")

        for result in results:
            metrics.DELIVERIES.labels(recipient.target, result.fate.name.lower()).inc()
        await self._note(database, recipient, work)

    async def _note(self, database: Database, recipient: Recipient, work: Work) -> None:
        """Again and again, under the term of the moment: a failover may bring this worker into a new one."""
        until = time.monotonic() + NOTE_SECONDS
        while True:
            try:
                await database.write(self._command, work)
            except (ProblemError, psycopg.Error) as error:
                if self._closing or time.monotonic() >= until:
                    # The lease ends, and they are sent again.
                    log.warning("deliveries not noted", subscription=str(recipient.id), reason=str(error))
                    return
                await asyncio.sleep(NOTE_AGAIN_SECONDS)
            else:
                return

    async def close(self) -> None:
        """After the groups under way; each ends within its attempt's time."""
        self._closing = True
        if self._busy:
            await asyncio.wait(tuple(self._busy.values()))
        for sender in self._senders.values():
            await sender.close()


def outcome(claimed: Claimed, result: Result) -> Outcome:
    """Dead after the last attempt; jitter keeps those that failed together from coming back together."""
    status, due = _STATUS[result.fate], now()
    if status is DeliveryStatus.PENDING:
        wait = schedule.retry_after(claimed.attempts, random.random())  # noqa: S311 - no secret
        status, due = (DeliveryStatus.DEAD, due) if wait is None else (status, due + wait)
    return Outcome(claimed.position, claimed.attempts, status, result.answer, due)


async def _note_recipient(unit: WriteUnit, recipient: Recipient, results: Iterable[Result]) -> None:
    fates = {result.fate for result in results}
    if Fate.GONE in fates:
        log.warning("a subscriber is gone", subscription=str(recipient.id))
        await dispatch_sql.end(unit, recipient.id)
    elif fates == {Fate.UNREACHED}:
        hold = schedule.hold(recipient.failures + 1, random.random())  # noqa: S311 - no secret
        await dispatch_sql.unreached(unit, recipient.id, now() + hold)
    else:
        await dispatch_sql.reached(unit, recipient.id)
