"""`twinsite plan`: what an operation would do, with its checks as they stand now. Changes nothing."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from failover.desk import OrderRefusedError
from failover.plan import Operation, plan_to_json
from failover.planners import PLANNERS
from failover.telling import settled_picture
from twinsite.commands.switchover import Host, To, target
from twinsite.context import context_of
from twinsite.ordering import request, zookeeper
from twinsite.outcome import CannotError
from twinsite.talk import out, print_json
from twinsite.wiring import layout_of

app = typer.Typer(no_args_is_help=True, help="Print what an operation would do; change nothing.")


@app.command()
def switchover(
    ctx: typer.Context,
    to: To = "",
    host: Host = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the steps of a switch, its checks and the expected stall of writes."""
    context = context_of(ctx)
    context.require_up()
    asked = request(Operation.SWITCHOVER, "plan only", **target(context, to, host))
    with zookeeper(context) as client:
        picture = settled_picture(client, layout_of(context.estate), time.monotonic_ns, time.sleep)
    try:
        made = PLANNERS[Operation.SWITCHOVER](picture, asked)
    except OrderRefusedError as refusal:
        raise CannotError(str(refusal)) from refusal
    if as_json:
        print_json(plan_to_json(made))
        return
    out.print(made.describe(), markup=False)
