"""The sealer: gives waiting entries their places in the chains.

One writer at a time, whoever runs it: an advisory lock held until the commit is durable on both sites, and
behind it the primary key (site, position). A failover between two batches, or in the middle of one, leaves
either all of a batch sealed or none of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import structlog

from app.database.answer import Answer, Command
from app.database.database import Database
from app.database.outcome import passes
from app.database.units import WriteUnit

log = structlog.get_logger(__name__)

BATCH = 1000
PAUSE_SECONDS = 1.0
CONNECT_SECONDS = 5

_SEAL = "SELECT s.site, s.sealed, s.head, s.hash FROM crm.seal_audit(%(batch)s) s"


def seal_once(connection: psycopg.Connection[Any], batch: int = BATCH) -> int:
    """Seal up to `batch` entries in one transaction; returns how many. Fewer than `batch`: that was all.

    0 also while another session seals. The new heads go to the log, and so to a place that whoever changes
    the database does not reach. Raises psycopg.Error; repeat then, on a new connection.
    """
    with connection.transaction():
        rows = connection.execute(_SEAL, {"batch": batch}).fetchall()
    return _publish(rows)


async def step(database: Database, command: Command) -> bool:
    """The same as a job of the worker, under its term of office. True: there may be more."""
    found: list[tuple[str, int, int, bytes]] = []

    async def work(unit: WriteUnit) -> Answer:
        found.extend(await unit.all(_SEAL, {"batch": BATCH}, tuple))
        return Answer(204, b"")

    await database.write(command, work)
    return _publish(found) >= BATCH


def _publish(rows: Sequence[tuple[str, int, int, bytes]]) -> int:
    for site, sealed, position, hash_ in rows:
        log.info("audit sealed", site=site, entries=sealed, position=position, hash=bytes(hash_).hex())
    return sum(sealed for _, sealed, _, _ in rows)


def run_until(dsn: str, stop: threading.Event) -> None:
    """Seal whatever comes, until told to stop; through failovers, by connecting anew."""
    while not stop.is_set():
        try:
            with psycopg.connect(
                dsn, connect_timeout=CONNECT_SECONDS, application_name="crm audit"
            ) as connection:
                while not stop.is_set():
                    if seal_once(connection) < BATCH:
                        stop.wait(PAUSE_SECONDS)
        except psycopg.Error as error:
            if not passes(error):
                raise
            log.info("sealing goes on with a new connection", error=str(error))
            stop.wait(PAUSE_SECONDS)
