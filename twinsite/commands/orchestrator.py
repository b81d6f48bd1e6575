"""`twinsite explain` and `twinsite events`: what the orchestrator sees, decides and did."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from failover.events import history
from failover.telling import line, tell
from twinsite.context import context_of
from twinsite.ordering import zookeeper
from twinsite.talk import print_json
from twinsite.wiring import layout_of


def explain(ctx: typer.Context) -> None:
    """Say what the agents see, which rules hold, what they would do and why they do not."""
    context = context_of(ctx)
    with zookeeper(context) as client:
        typer.echo(tell(client, layout_of(context.estate), time.monotonic_ns, time.sleep))


def events(
    ctx: typer.Context,
    last: Annotated[int, typer.Option(help="How many lines.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what the orchestrator saw, decided and did, oldest first."""
    with zookeeper(context_of(ctx)) as client:
        happenings = history(client, last)
    if as_json:
        print_json([asdict(each) for each in happenings])
        return
    for each in happenings:
        typer.echo(line(each))
