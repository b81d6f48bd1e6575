"""The dispatcher: claims what is due, sends it, notes what became of it.

Claiming and noting are transactions of their own; between them nothing is locked, and the lease says whose
it is. What cannot be noted, as in a switch of sites, is tried to be noted again. A worker that is told to end
notes what it had under way before its office is free; of one that was lost the next sends it again after the
lease: at least once.

Each subscriber has room for so many deliveries under way, each of another entity, and each is noted soon
after it was answered: a slow subscriber holds up no other, and what it is slow with only that entity.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import psycopg
import structlog

from app import metrics
from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import ProblemError
from app.identity import now
from app.webhooks import dispatch_sql, schedule
from app.webhooks.dispatch_sql import CLAIM_SECONDS, Claimed, Key, Outcome, Recipient, Target
from app.webhooks.schemas import DeliveryStatus
from app.webhooks.sending import Fate, Result, Sender

log = structlog.get_logger(__name__)

# What was answered is tried to be noted for so long: a primary is replaced in less.
NOTE_SECONDS = 60.0
NOTE_AGAIN_SECONDS = 0.5
# A transaction for each answer would cost more than they gain by it.
TOGETHER_SECONDS = 0.1

Attempt = tuple[Claimed, Result]

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
        self._own: set[Key] = set()
        self._groups: set[asyncio.Task[None]] = set()
        self._closing = False

    async def step(self, database: Database, command: Command) -> bool:
        self._command = command
        claimed: list[Claimed] = []

        async def work(unit: WriteUnit) -> Answer:
            claimed.extend(await dispatch_sql.claim(unit, self._own, tuple(self._senders)))
            return Answer(200, encode({"claimed": len(claimed)}))

        await database.write(replace(command, deadline_seconds=CLAIM_SECONDS), work)
        for recipient, group in groupby(claimed, key=lambda each: each.recipient):
            self._start(database, recipient, tuple(group))
        return False

    def _start(self, database: Database, recipient: Recipient, group: Sequence[Claimed]) -> None:
        self._own.update(claimed.key for claimed in group)
        task = asyncio.create_task(self._deliver(database, recipient, group), name=f"deliver {recipient.id}")
        self._groups.add(task)
        task.add_done_callback(self._groups.discard)

    async def _deliver(self, database: Database, recipient: Recipient, group: Sequence[Claimed]) -> None:
        """Note each with those answered about when it was: one that takes long holds up its entity alone."""
        waiting = {asyncio.create_task(self._attempt(claimed)) for claimed in group}
        fates: set[Fate] = set()
        while waiting:
            answered, waiting = await _next_of(waiting)
            results = [attempt.result() for attempt in answered]
            fates.update(result.fate for _, result in results)
            await self._note(database, recipient, results, frozenset(fates))
            self._own.difference_update(claimed.key for claimed, _ in results)

    async def _attempt(self, claimed: Claimed) -> Attempt:
        try:
            result = await self._senders[claimed.recipient.target].send(claimed)
        except Exception as error:
            log.exception("an event cannot be sent", event_id=str(claimed.event.id))
            result = Result(Fate.FAILED, type(error).__name__)
        metrics.DELIVERIES.labels(claimed.recipient.target, result.fate.name.lower()).inc()
        return claimed, result

    async def _note(
        self,
        database: Database,
        recipient: Recipient,
        attempts: Sequence[Attempt],
        fates: frozenset[Fate],
    ) -> None:
        """Again and again, under the term of the moment: a failover may bring this worker into a new one."""
        outcomes = [outcome(claimed, result) for claimed, result in attempts]

        async def work(unit: WriteUnit) -> Answer:
            await dispatch_sql.note(unit, recipient.id, outcomes)
            await _note_recipient(unit, recipient, fates)
            return Answer(200, b"{}")

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
        if self._groups:
            await asyncio.wait(tuple(self._groups))
        for sender in self._senders.values():
            await sender.close()


async def _next_of(
    waiting: set[asyncio.Task[Attempt]],
) -> tuple[set[asyncio.Task[Attempt]], set[asyncio.Task[Attempt]]]:
    """Those answered, and those still waited for. Answers that come close together are noted together."""
    answered, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if waiting:
        others, waiting = await asyncio.wait(waiting, timeout=TOGETHER_SECONDS)
        answered |= others
    return answered, waiting


def outcome(claimed: Claimed, result: Result) -> Outcome:
    """Dead after the last attempt; jitter keeps those that failed together from coming back together."""
    status, due = _STATUS[result.fate], now()
    if status is DeliveryStatus.PENDING:
        wait = schedule.retry_after(claimed.attempts, random.random())  # noqa: S311 - no secret
        status, due = (DeliveryStatus.DEAD, due) if wait is None else (status, due + wait)
    return Outcome(claimed.position, claimed.attempts, status, result.answer, due)


async def _note_recipient(unit: WriteUnit, recipient: Recipient, fates: frozenset[Fate]) -> None:
    """By what became of its group so far: who answered others of it was reached."""
    if Fate.GONE in fates:
        log.warning("a subscriber is gone", subscription=str(recipient.id))
        await dispatch_sql.end(unit, recipient.id)
    elif fates == {Fate.UNREACHED}:
        hold = schedule.hold(recipient.failures + 1, random.random())  # noqa: S311 - no secret
        await dispatch_sql.unreached(unit, recipient, now() + hold)
    else:
        await dispatch_sql.reached(unit, recipient.id)
