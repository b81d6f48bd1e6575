"""`python -m app audit …`: verify the chains, publish their heads, seal."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from app.audit import sealing
from app.audit.model import Head
from app.audit.verification import Report, head_line, read_heads, verify_database
from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)

BROKEN, FAILED = 1, 3

Database = Annotated[
    str, typer.Option(envvar="CRM_AUDIT_URL", help="As crm_audit, which reads everything; any node will do")
]
Published = Annotated[
    Path | None, typer.Option(help="Heads that were kept elsewhere, one JSON object a line", dir_okay=False)
]


@app.command("verify")
def verify(url: Database, published: Published = None) -> None:
    """Recompute every hash. Ends with 1 if a chain is broken, and says where; prints the heads to keep."""
    try:
        report = _verified(url, () if published is None else _read(published))
    except psycopg.Error as error:
        typer.echo(f"audit: {error}", err=True)
        raise typer.Exit(FAILED) from None
    for head in report.heads:
        typer.echo(head_line(head))
    for line in findings(report):
        typer.echo(line, err=True)
    raise typer.Exit(0 if report.sound else BROKEN)


@app.command("seal")
def seal() -> None:
    """Seal what comes until SIGTERM. Any number may run, on both sites: one at a time does it."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sealing.run_until(Settings.from_environment().database_url.get_secret_value(), stop)


def findings(report: Report) -> list[str]:
    """The report in words, worst first."""
    broken = [f"BROKEN {each.site} {each.position}: {each.fault}, {each.detail}" for each in report.breaks]
    waiting = f"{report.waiting} entries wait to be sealed, the oldest for {report.waiting_for}"
    open_ones = [f"open recorder {name}: it runs, or its host went away" for name in report.open_recorders]
    return [*broken, *([waiting] if report.waiting else []), *open_ones]


def _verified(url: str, published: tuple[Head, ...]) -> Report:
    with psycopg.connect(
        url, autocommit=True, connect_timeout=10, application_name="crm audit"
    ) as connection:
        return verify_database(connection, published)


def _read(path: Path) -> tuple[Head, ...]:
    try:
        with path.open(encoding="utf-8") as lines:
            return read_heads(lines)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}") from None
