"""`twinsite switchover`: move the primary to another site, on purpose."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from failover.observe.estate import observe
from failover.planned import carry_out, plan
from twinsite.context import context_of
from twinsite.outcome import CannotError
from twinsite.talk import announce, done, out, print_json, progress
from twinsite.wiring import access_of, layout_of


def switchover(
    ctx: typer.Context,
    to: Annotated[str, typer.Option(help="The site that shall hold the primary.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Hand the primary over to a synchronous standby of a site, and wait until the estate is whole."""
    context = context_of(ctx)
    context.require_up()
    site = context.estate.site(to)
    layout, access = layout_of(context.estate), access_of(context.secrets)
    if site.name not in layout.data_sites:
        raise CannotError(f"{site.name} holds no database; data sites: {', '.join(layout.data_sites)}")
    switch = plan(observe(layout, access), site.name)
    if switch is None:
        done(f"the primary is in {site.name} already; nothing to do")
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
