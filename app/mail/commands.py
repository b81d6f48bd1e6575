"""`python -m app mail-intake`."""

from __future__ import annotations

import asyncio
import signal

import typer

from app import logs, metrics
from app.database.database import Database
from app.mail.intake import Mailbox, server_of
from app.settings import Settings


def mail_intake() -> None:
    """Take letters by LMTP until SIGTERM, for the addresses of CRM_MAIL_ADDRESSES. Any number may run."""
    settings = Settings.from_environment()
    logs.configure(settings)
    if not settings.mail_addresses:
        typer.echo("CRM_MAIL_ADDRESSES: name the addresses whose letters are taken", err=True)
        raise typer.Exit(2)
    metrics.serve(settings.mail_metrics_listen)
    asyncio.run(_take(settings))


async def _take(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database, mailbox = Database(settings), Mailbox.of(settings.mail_addresses)
    await database.open()
    host, _, port = settings.mail_listen.rpartition(":")
    server = await loop.create_server(
        lambda: server_of(database, mailbox, settings.host, settings.reopen_within), host, int(port)
    )
    try:
        await stop.wait()
    finally:
        server.close()
        await database.close()
