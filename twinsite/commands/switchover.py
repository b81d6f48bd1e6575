"""`twinsite switchover`: move the primary to another site or host, on purpose."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from failover.journal import entry_to_json
from failover.observe.estate import observe
from failover.plan import Operation
from failover.planned import carry_out, plan
from twinsite.context import Context, context_of
from twinsite.ordering import conclude, order, request
from twinsite.outcome import CannotError
from twinsite.talk import announce, done, out, print_json, progress
from twinsite.wiring import access_of, layout_of

To = Annotated[str, typer.Option(help="The site that shall hold the primary.")]
Host = Annotated[str, typer.Option(help="The host that shall be primary, instead of any of a site.")]


def switchover(
    ctx: typer.Context,
    to: To = "",
    host: Host = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the journal.")] = "",
    wait: Annotated[float, typer.Option(help="Seconds to wait for another operation's end.", min=0)] = 0,
    plain: Annotated[
        bool, typer.Option(help="By Patroni alone: needs no agents, stalls for seconds.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Hand the primary over to a synchronous standby without a failed request, and wait until all follows."""
    context = context_of(ctx)
    context.require_up()
    arguments = target(context, to, host)
    if plain:
        _plain(context, to, as_json=as_json)
        return
    asked = request(Operation.SWITCHOVER, reason, **arguments)
    entry = order(context, asked, wait_s=wait)
    if as_json:
        print_json(entry_to_json(entry))
    conclude(entry)


def target(context: Context, to: str, host: str) -> dict[str, str]:
    """What is to be primary, as a request's arguments.

    Raises:
        CannotError: neither or both are given, or no database is there.
        InventoryError: no such site.
    """
    layout = layout_of(context.estate)
    if bool(to) == bool(host):
        raise CannotError("say where the primary shall be: --to SITE or --host HOST")
    if to and context.estate.site(to).name not in layout.data_sites:
        raise CannotError(f"{to} holds no database; data sites: {', '.join(layout.data_sites)}")
    if host and layout.database(host) is None:
        known = ", ".join(node.name for node in layout.databases)
        raise CannotError(f"{host} is no database host; those are {known}")
    return {"site": to} if to else {"host": host}


def _plain(context: Context, to: str, *, as_json: bool) -> None:
    """Patroni's own switch, without the orchestrator."""
    if not to:
        raise CannotError("--plain knows sites only: give --to SITE")
    layout, access = layout_of(context.estate), access_of(context.secrets)
    switch = plan(observe(layout, access), to)
    if switch is None:
        done(f"the primary is in {to} already; nothing to do")
        return
    announce([f"move the primary from {switch.leader.name} to {switch.candidate.name}"])
    report = carry_out(switch, layout, access, progress)
    if as_json:
        print_json(asdict(report))
        return
    out.print(
        f"primary {report.leader} → {report.candidate}, timeline {report.timeline_before} → "
        f"{report.timeline_after}\npromoted after {report.answered_s:.1f} s, "
        f"whole after {report.settled_s:.1f} s"
    )
