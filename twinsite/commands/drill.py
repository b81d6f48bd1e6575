"""`twinsite drill`: break the lab on purpose, and prove what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from failover.drills.interrupts import Interrupted
from failover.drills.order import Order
from failover.drills.runner import Drill
from failover.drills.scenarios import SCENARIOS
from failover.drills.verdict import CardTransactions, Rpo, Verdict
from infra import paths, scheduling
from loadtests.profiles import PROFILES
from twinsite.context import context_of, require_root
from twinsite.drilling import drill_estate, named, ports_of
from twinsite.outcome import Exit, stop
from twinsite.talk import announce, out

app = typer.Typer(no_args_is_help=True, help="Break the lab on purpose, and prove what came of it.")

_SIGNALLED = 128


@app.command("list")
def list_scenarios() -> None:
    """Name the drills and what each breaks."""
    table = Table("drill", "what happens", box=None, padding=(0, 2, 0, 0))
    for scenario in SCENARIOS.values():
        table.add_row(scenario.name, scenario.story)
    out.print(table)


@app.command()
def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="One of `twinsite drill list`.")],
    load: Annotated[str, typer.Option(help=f"The users: {', '.join(PROFILES)}.")] = "steady",
    report_dir: Annotated[
        Path | None, typer.Option(help="Where to write; must not exist yet, or be empty.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the users' pauses and choices.")] = 1,
    plain: Annotated[
        bool, typer.Option("--plain", help="Stop the orchestrator's agents for the drill, for comparison.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdict.json.")] = False,
) -> None:
    """Run one drill: needs no hand, heals what it broke, exits 0 only if the verdict is a pass."""
    context = context_of(ctx)
    scenario = named("drill", name, SCENARIOS)
    profile = named("load profile", load, PROFILES).name
    require_root("a drill")
    context.require_up()
    directory = report_dir or paths.reports() / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{scenario.name}"
    announce([f"drill {scenario.name} under {profile} load: {scenario.story}", f"report to {directory}"])
    order = Order(
        scenario,
        drill_estate(context.estate),
        directory.resolve(),
        profile=profile,
        seed=seed,
        plain=plain,
        disks=context.lab.record().get("storage", "") if context.is_lab else "",
    )
    scheduling.join_as_instrument()
    try:
        verdict = Drill(order, ports_of(context), _say).run()
    except Interrupted as error:
        raise typer.Exit(_SIGNALLED + error.signum) from error
    if as_json:
        typer.echo(verdict.to_json(), nl=False)
    else:
        _show(verdict, directory)
    if not verdict.passed:
        raise stop(Exit.BAD)


def _say(text: str) -> None:
    """Tell progress, past rich: that would exit at a broken pipe, in the middle of healing.

    Raises:
        OSError: nobody listens any more.
    """
    typer.echo(text, err=True)


def _show(verdict: Verdict, directory: Path) -> None:
    word = "[bold green]PASSED[/]" if verdict.passed else "[bold red]FAILED[/]"
    out.print(f"\n{verdict.scenario}: {word}")
    for reason in verdict.reasons:
        out.print(f"  {reason}", markup=False)
    for aim in verdict.aims:
        out.print(f"  aim {'met' if aim.passed else 'missed'}: {aim.detail}", markup=False)
    rpo, requests = verdict.rpo, verdict.requests
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("orchestrator", verdict.orchestrator)
    table.add_row("back in service after", _seconds(verdict.rto_s))
    table.add_row("longest pause of writes", _seconds(verdict.write_stall_max_s))
    table.add_row("acknowledged writes", f"{rpo.acknowledged:,}")
    table.add_row("card transactions in them", _fed(verdict.card_transactions))
    table.add_row("lost / duplicated / phantom", _fates(rpo))
    table.add_row("unknown outcome", str(rpo.unknown))
    asked = f"{requests.total:,}, {requests.failed}, {requests.gave_up}"
    table.add_row("requests, failed attempts, given up", asked)
    table.add_row("writers at a time", str(verdict.writers_max))
    out.print(table)
    out.print(f"report: {directory / 'report.html'}")


def _fed(found: CardTransactions) -> str:
    rates = (found.throughput.before_rps, found.throughput.after_rps)
    before, after = ("not seen" if rate is None else f"{rate:,.0f} a second" for rate in rates)
    return f"{found.acknowledged:,} ({before} before the fault, {after} after the recovery)"


def _fates(rpo: Rpo) -> str:
    if rpo.lost is None:
        return "not compared"
    return f"{rpo.lost} / {rpo.duplicated} / {rpo.phantom}"


def _seconds(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.2f} s"
