"""The dispatcher: claims what is due, sends it, notes what became of it.

Claiming and noting are transactions of their own; between them nothing is locked, and the lease says whose
it is. Whatever ends a worker in between, the event is sent again after the lease: at least once. A slow
subscriber holds up nobody else, as each has its own group under way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from uuid import UUID

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
from app.webhooks.dispatch_sql import Claimed, Outcome, Recipient, Target
from app.webhooks.schemas import DeliveryStatus
from app.webhooks.sending import Fate, Result, Sender

log = structlog.get_logger(__name__)

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

    async def step(self, database: Database, command: Command) -> bool:
        claimed: list[Claimed] = []

        async def work(unit: WriteUnit) -> Answer:
            claimed.extend(await dispatch_sql.claim(unit, tuple(self._busy), tuple(self._senders)))
            return Answer(200, encode({"claimed": len(claimed)}))

        await database.write(command, work)
        for recipient, group in groupby(claimed, key=lambda each: each.recipient):
            self._start(database, command, recipient, tuple(group))
        return False

    def _start(
        self, database: Database, command: Command, recipient: Recipient, group: Sequence[Claimed]
    ) -> None:
        task = asyncio.create_task(
            self._deliver(database, command, recipient, group), name=f"deliver {recipient.id}"
        )
        self._busy[recipient.id] = task
        task.add_done_callback(lambda _: self._busy.pop(recipient.id))

    async def _deliver(
        self, database: Database, command: Command, recipient: Recipient, group: Sequence[Claimed]
    ) -> None:
        sender = self._senders[recipient.target]
        results = await asyncio.gather(*(sender.send(claimed) for claimed in group))

        async def work(unit: WriteUnit) -> Answer:
            await dispatch_sql.note(unit, recipient.id, [*map(outcome, group, results)])
            await _note_recipient(unit, recipient, results)
            return Answer(200, b"{}")

        for result in results:
            metrics.DELIVERIES.labels(recipient.target, result.fate.name.lower()).inc()
        try:
            await database.write(command, work)
        except (ProblemError, psycopg.Error) as error:
            # The lease ends, and they are sent again.
            log.warning("deliveries not noted", subscription=str(recipient.id), reason=str(error))

    async def close(self) -> None:
        """After the groups under way; each ends within its attempt's time."""
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
