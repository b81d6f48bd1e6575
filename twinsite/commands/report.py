"""`twinsite report`: what the drills left."""

from __future__ import annotations

import json
import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as Screen

from failover.drills.table import Run, table
from infra import paths
from twinsite.outcome import CannotError
from twinsite.talk import out

app = typer.Typer(no_args_is_help=True, help="Look at what the drills left in reports/.")


@app.command("list")
def list_reports() -> None:
    """List the drills with their verdicts, the latest last."""
    screen = Screen("report", "scenario", "verdict", "back after", "lost", box=None, padding=(0, 2, 0, 0))
    for directory in _reports():
        found = json.loads((directory / "verdict.json").read_text())
        word = "passed" if found["passed"] else "[red]failed[/]"
        back = "–" if found["rto_s"] is None else f"{found['rto_s']:.2f} s"
        lost = found["rpo"]["lost"]
        known = "not compared" if lost is None else str(lost)
        screen.add_row(directory.name, found["scenario"], word, back, known)
    out.print(screen)


@app.command("table")
def table_of_reports(
    directory: Annotated[
        Path | None, typer.Argument(help="Where the reports are; without it, reports/.")
    ] = None,
) -> None:
    """Print all verdicts as one table in Markdown: median and worst of each drill and mode."""
    verdicts = sorted((directory or paths.reports()).glob("*/verdict.json"))
    typer.echo(table(Run.of(json.loads(verdict.read_text())) for verdict in verdicts), nl=False)


@app.command("open")
def open_report(
    name: Annotated[str | None, typer.Argument(help="A report's name; without it, the latest.")] = None,
) -> None:
    """Show a report in the browser where there is one, and print where it is."""
    reports = {directory.name: directory for directory in _reports()}
    if not reports:
        raise CannotError("there is no report yet; `twinsite drill run` makes one")
    if name is not None and name not in reports:
        raise CannotError(f"no report is called {name!r}; `twinsite report list` names them")
    page = reports[name or max(reports)] / "report.html"
    out.print(str(page), soft_wrap=True)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(page.as_uri())


def _reports() -> list[Path]:
    return sorted(verdict.parent for verdict in paths.reports().glob("*/verdict.json"))
