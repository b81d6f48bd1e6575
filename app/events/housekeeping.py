"""What the worker does for events. Both steps are statements that any process may run at any time."""

from __future__ import annotations

from datetime import timedelta

from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.identity import now

BATCH = 1000
KEPT = timedelta(days=90)


async def sequence(database: Database, command: Command) -> bool:
    """Number what was committed and hand it to the subscribers."""
    return await _counted(database, command, "SELECT crm.sequence_events(%(batch)s)", {"batch": BATCH})


async def purge(database: Database, command: Command) -> bool:
    parameters = {"batch": BATCH, "before": now() - KEPT}
    return await _counted(database, command, "SELECT crm.purge_events(%(before)s, %(batch)s)", parameters)


async def _counted(database: Database, command: Command, sql: str, parameters: dict[str, object]) -> bool:
    """Whether the batch was full."""

    async def work(unit: WriteUnit) -> Answer:
        done = await unit.one(sql, parameters, lambda row: int(row[0]))
        return Answer(200, encode({"done": done}))

    committed = await database.write(command, work)
    return committed.answer.body == encode({"done": BATCH})
