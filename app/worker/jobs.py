"""What the worker does, and how often: THE table. Each job is harmless to repeat and to interrupt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from app.audit import sealing
from app.card_transactions import partitions
from app.contracts import service as contracts
from app.database.answer import Command
from app.database.database import Database
from app.day_closes import service as day_closes
from app.events import housekeeping
from app.loyalty import accrual
from app.reports import keeping, summing
from app.retention import purge
from app.sla import overdue
from app.stations import service as stations
from app.webhooks.dispatch import Dispatcher

Work = Callable[[Database, Command], Awaitable[bool]]
"""One bounded batch, in transactions of the command, whose epoch fences them. True: there may be more."""


@dataclass(frozen=True, slots=True)
class Job:
    """`interval_seconds` lies between the end of one run and the beginning of the next."""

    name: str
    interval_seconds: float
    work: Work
    purpose: str


async def _overdue(database: Database, command: Command) -> bool:
    swept = await overdue.sweep(database, command)
    return overdue.BATCH in orjson.loads(swept.answer.body).values()


async def _accrue(database: Database, command: Command) -> bool:
    swept = await accrual.sweep(database, command)
    return bool(orjson.loads(swept.answer.body)["received"])


async def _missing(database: Database, command: Command) -> bool:
    swept = await stations.sweep(database, command)
    return bool(orjson.loads(swept.answer.body)["reported"] == stations.SWEEP_BATCH)


async def _day_closes(database: Database, command: Command) -> bool:
    looked = await day_closes.sweep(database, command)
    return bool(orjson.loads(looked.answer.body)["compared"])


JOBS: tuple[Job, ...] = (
    Job("overdue", 5.0, _overdue, "requests past a deadline, the customer's too, are marked and told of"),
    Job("sequence-events", 0.2, housekeeping.sequence, "committed events get their place in the feed"),
    Job("seal-audit", 1.0, sealing.step, "what was done and shown gets its place in the audit's chains"),
    Job("prolong-contracts", 3600.0, contracts.prolong_due, "contracts whose terms say so go on"),
    Job("months-ahead", 3600.0, partitions.step, "card transactions find the partition of their month"),
    Job("purge-events", 600.0, housekeeping.purge, "events are kept for 90 days"),
    Job(
        "accrue-points", 1.0, _accrue, "what the feed brought gives points, by the accrual rules, and is told"
    ),
    Job("day-closes", 10.0, _day_closes, "what the processing system says it sent of a day is what came"),
    Job("sum-turnover", 60.0, summing.step, "what the feed brought is in the sums of its day"),
    Job("missing-data", 60.0, _missing, "integrated systems that have gone silent are told of"),
    Job("keep-half-months", 600.0, keeping.keep_due, "statistics of what ended are kept, the heads told"),
    Job("expire-keys", 600.0, purge.expire_keys, "answers that nobody repeats are kept for 7 days"),
    Job("purge-subscriptions", 60.0, purge.purge_subscriptions, "what removed subscriptions leave goes"),
    Job("purge-calls", 600.0, purge.purge_calls, "calls go in time, those that changed personal data never"),
)


def table(dispatcher: Dispatcher) -> tuple[Job, ...]:
    """Those that need nothing, and the delivery of events by those who can send."""
    return (*JOBS, Job("deliver-events", 0.2, dispatcher.step, "what is due goes to its subscribers"))
