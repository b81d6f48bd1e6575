"""The worker's step: the statistics of each half month that ended are kept, and the heads told."""

from __future__ import annotations

import orjson

from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.identity import now
from app.reports import half_month, half_month_sql


async def keep_due(database: Database, command: Command) -> bool:
    """One half month, which the primary key lets nobody keep twice. True: another one may be due."""

    async def work(unit: WriteUnit) -> Answer:
        kept, first_request = await half_month_sql.kept(unit)
        half = half_month.due(kept, first_request, now())
        if half is not None:
            await half_month_sql.keep(unit, half)
        return Answer(200, encode({"kept": half is not None}))

    committed = await database.write(command, work)
    return bool(orjson.loads(committed.answer.body)["kept"])
