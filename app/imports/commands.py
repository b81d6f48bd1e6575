"""Commands of bulk loads: a file from the shell, and the loader that works off what the API received."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import psycopg
import typer

from app import logs
from app.database.answer import Command
from app.database.database import Database, Freshness
from app.errors import ProblemError
from app.imports import service
from app.imports.loader import Loader
from app.imports.schemas import Format, Job
from app.settings import Settings

FORMATS = {".csv": Format.CSV, ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON}
PIECE = 1 << 16
PRINCIPAL = "command line"
TRACE = "crm import"

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=".csv, .ndjson or .jsonl")]


def import_file(file: FileArgument) -> None:
    """Load a file of customers. The same file again goes on where an earlier attempt ended.

    Needs CRM_DATABASE_URL; prints the job's figures and, on standard error, every refused row.
    """
    if file.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"{file.name}: expected one of {', '.join(FORMATS)}")
    settings = Settings.from_environment()
    try:
        job = asyncio.run(_receive(settings, file))
        with Loader(settings.database_url.get_secret_value()) as loader:
            loader.drain()
        done = asyncio.run(_report(settings, job))
    except (ProblemError, psycopg.Error) as error:
        typer.echo(f"import: {error}; repeat the command to go on", err=True)
        raise typer.Exit(1) from None
    typer.echo(
        f"{done.status}: {done.received_rows} rows, {done.created} created, {done.enriched} enriched, "
        f"{done.unchanged} unchanged, {done.rejected} rejected"
    )


async def _receive(settings: Settings, file: Path) -> UUID:
    with file.open("rb") as content:
        key = f"file:{hashlib.file_digest(content, 'sha256').hexdigest()}"
    command = Command(TRACE, PRINCIPAL, None, b"", settings.request_deadline_seconds)
    database = Database(settings)
    await database.open()
    try:
        receiver = service.Receiver(database, command, key, FORMATS[file.suffix.lower()])
        return await receiver.receive(_pieces(file))
    finally:
        await database.close()


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            yield piece


async def _report(settings: Settings, id_: UUID) -> Job:
    database = Database(settings)
    await database.open()
    try:
        above = 0
        while True:
            page = await service.rejections(database, id_, Freshness(TRACE), above=above, limit=200)
            for row in page.items:
                reasons = "; ".join(f"{error.pointer} {error.detail}".strip() for error in row.errors)
                typer.echo(f"row {row.row}: {reasons}", err=True)
            if page.next is None:
                job, _ = await service.get(database, id_, Freshness(TRACE))
                return job
            above = page.items[-1].row
    finally:
        await database.close()


def import_worker() -> None:
    """Load what the API receives, until SIGTERM. Any number may run, on both sites."""
    settings = Settings.from_environment()
    logs.configure(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Loader(settings.database_url.get_secret_value()) as loader:
        loader.run_until(stop)
