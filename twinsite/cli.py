"""The command line: `twinsite`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from twinsite.commands import (
    audit,
    drill,
    failover,
    lab,
    load,
    maintenance,
    operation,
    orchestrator,
    plan,
    provision,
    psql,
    recover_quorum,
    report,
    secrets,
    status,
    switchover,
)
from twinsite.context import DEFAULT_INVENTORY, Context
from twinsite.outcome import EXPECTED, explain
from twinsite.talk import complain

app = typer.Typer(
    name="twinsite",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit status: 0 done, healthy or passed; 1 degraded or failed verdict; 2 the lab is down or the "
    "command line is wrong; 3 could not be done; 4 not permitted.",
)
app.add_typer(lab.app, name="lab")
app.command("provision")(provision.provision)
app.command("status")(status.status)
app.command("switchover")(switchover.switchover)
app.command("failover")(failover.failover)
app.command("failback")(failover.failback)
app.add_typer(maintenance.app, name="maintenance")
app.command("recover-quorum")(recover_quorum.recover_quorum)
app.add_typer(plan.app, name="plan")
app.add_typer(operation.app, name="operation")
app.command("acknowledge")(operation.acknowledge)
app.command("explain")(orchestrator.explain)
app.command("events")(orchestrator.events)
app.add_typer(drill.app, name="drill")
app.add_typer(load.app, name="load")
app.add_typer(report.app, name="report")
app.add_typer(secrets.app, name="secrets")
app.add_typer(audit.app, name="audit")
app.command("psql")(psql.psql)


@app.callback()
def root(
    ctx: typer.Context,
    inventory: Annotated[
        Path, typer.Option(envvar="TWINSITE_INVENTORY", help="The estate: an Ansible inventory folder.")
    ] = DEFAULT_INVENTORY,
) -> None:
    """A CRM on two data centres: stand it up, look at it, switch it, drill it."""
    ctx.obj = Context(inventory)


def main() -> None:
    """Run a command; every expected error becomes one message and an exit status."""
    try:
        app(prog_name="twinsite")
    except EXPECTED as error:
        text, status = explain(error)
        complain(text)
        sys.exit(status)
