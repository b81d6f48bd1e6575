"""`python -m app worker`."""

from __future__ import annotations

import asyncio
import signal

from prometheus_client import start_http_server

from app import logs
from app.database.database import Database
from app.settings import Settings
from app.worker.jobs import JOBS
from app.worker.office import office_of
from app.worker.runner import Worker


def worker() -> None:
    """Do what has to be done once: deadlines, deliveries, upkeep. Run it on every host; one is active.

    Needs CRM_DATABASE_URL; CRM_ZOOKEEPER with CRM_ZOOKEEPER_CA and CRM_ZOOKEEPER_CERTIFICATE to be elected
    there, else a lock in PostgreSQL (CRM_MIGRATION_URL, not through PgBouncer) elects.
    """
    settings = Settings.from_environment()
    logs.configure(settings)
    if settings.worker_metrics_listen is not None:
        address, _, port = settings.worker_metrics_listen.rpartition(":")
        start_http_server(int(port), address)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database, office = Database(settings), office_of(settings)
    await database.open()
    try:
        await Worker(database, office, JOBS, f"{settings.site}/{settings.host}").run_until(stop)
    finally:
        await office.close()
        await database.close()
