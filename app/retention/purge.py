"""What is not kept for ever goes in bounded batches; each is a transaction of the worker's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.identity import now

BATCH = 1000
# A client that lost an answer repeats within minutes; one that was down over a weekend, within days.
KEYS_KEPT = timedelta(days=7)
# No transaction lasts so long (a request's deadline, a job's 30 s): none knows the subscription as active.
SUBSCRIPTIONS_REMOVED = timedelta(minutes=2)

_KEYS = "SELECT crm.expire_keys(%(before)s, %(batch)s)"
_SUBSCRIPTIONS = "SELECT crm.purge_subscriptions(%(before)s, %(batch)s)"
_CALLS = "SELECT crm.purge_calls(%(site)s, %(batch)s)"


async def expire_keys(database: Database, command: Command) -> bool:
    """Forget answers of `KEYS_KEPT` ago. True: there may be more."""
    return await _purge(database, command, _KEYS, {"before": now() - KEYS_KEPT})


async def purge_calls(database: Database, command: Command) -> bool:
    """Remove calls whose time is over, never those that changed personal data. True: there may be more."""
    return await _purge(database, command, _CALLS, {"site": database.site})


async def purge_subscriptions(database: Database, command: Command) -> bool:
    """Clear away removed subscriptions with their deliveries. True: there may be more."""
    return await _purge(database, command, _SUBSCRIPTIONS, {"before": now() - SUBSCRIPTIONS_REMOVED})


async def _purge(database: Database, command: Command, sql: str, parameters: Mapping[str, object]) -> bool:
    gone: list[int] = []

    async def work(unit: WriteUnit) -> Answer:
        gone.extend(await unit.all(sql, {**parameters, "batch": BATCH}, lambda row: int(row[0])))
        return Answer(204, b"")

    await database.write(command, work)
    return gone == [BATCH]
