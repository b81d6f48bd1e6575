"""`twinsite plan`: what an operation would do, with its checks as they stand now. Changes nothing."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from failover.desk import OrderRefusedError
from failover.events import current
from failover.journal_store import JournalReader
from failover.panel import Panel
from failover.plan import Operation, plan_to_json
from failover.planners import choose_switch, plan_of
from failover.preflight import Ends, check
from failover.stall import Experience
from failover.telling import settled_picture
from failover.transitions import Durability
from twinsite.commands.switchover import Host, To, target
from twinsite.context import context_of
from twinsite.ordering import request, zookeeper
from twinsite.outcome import CannotError, Exit, stop
from twinsite.talk import out, print_json
from twinsite.wiring import access_of, inspector_of, layout_of

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
    layout, inspector = (
        layout_of(context.estate),
        inspector_of(layout_of(context.estate), access_of(context.secrets)),
    )
    with zookeeper(context) as client:
        picture = settled_picture(client, layout, time.monotonic_ns, time.sleep)
        past, announced = Experience.of(JournalReader(client).newest()), current(client)
    try:
        switch = choose_switch(picture, asked)
    except OrderRefusedError as refusal:
        raise CannotError(str(refusal)) from refusal
    ends = Ends(switch.leader, switch.candidate)
    found = inspector.inspect((ends.leader, ends.candidate))
    durability = announced.policy.durability if announced else Durability.AVAILABLE
    made, items = plan_of(switch, found, past, durability), check(Panel(picture), ends, found)
    if as_json:
        print_json({"plan": plan_to_json(made), "checks": [asdict(item) for item in items]})
    else:
        out.print(
            "\n".join((made.describe(), "checks as they stand now:", *(f"  {item}" for item in items))),
            markup=False,
            soft_wrap=True,
        )
    if not all(item.holds for item in items):
        raise stop(Exit.BAD)
