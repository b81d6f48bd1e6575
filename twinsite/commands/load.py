"""`twinsite load`: the users of the CRM, at the clients' site of the lab."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from failover.observe.estate import observe
from infra import paths
from infra.command import replace_process
from loadtests.profiles import PROFILES
from twinsite.context import context_of, require_root
from twinsite.drilling import client_host, entries_of, named, preferred
from twinsite.ports.load import among_clients, load_argv, load_environment
from twinsite.talk import announce
from twinsite.wiring import access_of, layout_of

app = typer.Typer(no_args_is_help=True, help="Let users work with the CRM.")


@app.command()
def run(
    ctx: typer.Context,
    profile: Annotated[str, typer.Argument(help=f"One of {', '.join(PROFILES)}.")],
    duration: Annotated[float | None, typer.Option(help="Seconds; else until Ctrl-C.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Draws pauses and choices.")] = 1,
) -> None:
    """Run a profile through the sites' entries; the ledger and the figures go to reports/."""
    context = context_of(ctx)
    named("load profile", profile, PROFILES)
    require_root("entering the clients' network namespace")
    context.require_up()
    primary = observe(layout_of(context.estate), access_of(context.secrets)).primary
    entries = preferred(entries_of(context.estate), primary.node.site if primary else None)
    directory = paths.reports() / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-load-{profile}"
    announce([f"run {profile} against {', '.join(entry.url for entry in entries)}", f"write to {directory}"])
    argv = load_argv(profile, entries, context.secrets.ca_certificate, directory / "history.jsonl")
    argv += ["--seed", str(seed), "--stats", str(directory / "load.json")]
    if duration:
        argv += ["--duration", str(duration)]
    directory.mkdir(parents=True)
    os.environ.update(load_environment(context.secrets.read().crm_load_key))
    replace_process(among_clients(client_host(context.estate).name, argv))
