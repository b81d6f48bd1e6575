"""`twinsite failover` and `twinsite failback`: what must not be automatic, and the way back."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from kazoo.client import KazooClient

from failover.desk import OrderRefusedError
from failover.exposure import Budget, refusal
from failover.gauge import published
from failover.panel import Panel, Picture
from failover.plan import Operation
from failover.planners_unplanned import Replacement, choose_replacement
from failover.requests import Request
from failover.telling import settled_picture
from twinsite.commands.switchover import target
from twinsite.context import Context, context_of
from twinsite.ordering import CLOCK, conclude, order, request, zookeeper
from twinsite.outcome import CannotError, Exit, stop
from twinsite.ports.salvage import Salvages
from twinsite.talk import announce, done, out, progress
from twinsite.way_back import Reach, Standing, bring_back
from twinsite.wiring import layout_of

Why = Annotated[str, typer.Option(help="Why; kept in the journal.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another operation's end.", min=0)]


def failover(
    ctx: typer.Context,
    to: Annotated[str, typer.Option(help="The site that shall hold the primary.")] = "",
    host: Annotated[str, typer.Option(help="The host that shall be primary, instead of any of a site.")] = "",
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on although writes are lost; this once, with --reason.")
    ] = False,
    primary_is_off: Annotated[
        bool,
        typer.Option("--primary-is-off", help="You vouch that the old primary is off; no driver can say so."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be lost; order nothing.")
    ] = False,
    reason: Why = "",
    wait: Wait = 0,
) -> None:
    """Replace a primary that is lost by order, and say before what is lost by it."""
    context = context_of(ctx)
    context.require_up()
    if (accept_loss or primary_is_off) and not reason:
        raise CannotError("--accept-loss and --primary-is-off need --reason: it is kept with the operation")
    asked = request(
        Operation.FAILOVER,
        reason,
        accept_loss=accept_loss,
        is_off=primary_is_off,
        **target(context, to, host),
    )
    _show_loss(context, asked)
    if not dry_run:
        conclude(order(context, asked, wait_s=wait))


def _show_loss(context: Context, asked: Request) -> None:
    """Who would take over, and what that loses, as it stands now."""
    with zookeeper(context) as client:
        picture, track = _picture(context, client), published(client)
    try:
        chosen = choose_replacement(picture, asked, track.track if track else None)
    except OrderRefusedError as refused:
        raise CannotError(str(refused)) from refused
    out.print("\n".join(_words(chosen)), markup=False, soft_wrap=True)
    accepted_by = asked.by if asked.flag("accept_loss") else None
    if (objection := refusal(chosen.exposure, Budget(), accepted_by)) and not chosen.exposure.known:
        progress(f"it will be refused: {objection}")


def _words(chosen: Replacement) -> tuple[str, ...]:
    kind = "synchronous: it has every acknowledged write" if chosen.synchronous else "not synchronous"
    return (
        f"{chosen.candidate} ({chosen.site}) would take over from {chosen.leader or 'nobody'}; it is {kind}",
        chosen.exposure.says(),
    )


def _picture(context: Context, client: KazooClient) -> Picture:
    return settled_picture(client, layout_of(context.estate), time.monotonic_ns, time.sleep)


def failback(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The host or site that was lost.")],
    without_saving: Annotated[
        bool,
        typer.Option("--without-saving", help="Rebuild although what only a host has could not be saved."),
    ] = False,
    reason: Why = "",
    wait: Wait = 0,
) -> None:
    """Bring a lost host or site back: rewound or rebuilt, with what only it had saved for review."""
    context = context_of(ctx)
    context.require_up()
    layout = layout_of(context.estate)
    chosen = {each.name for each in context.estate.select(name)}
    hosts = [node.name for node in layout.databases if node.name in chosen]
    if not hosts:
        raise CannotError(f"{name} holds no database")
    salvages = Salvages(context)
    reach = Reach(
        standing=lambda host: _standing(context, host),
        order=lambda task, about: order(context, request(task, reason, **about), wait_s=wait),
        reached=salvages.reached,
        save=salvages.save,
        clock=CLOCK,
        say=progress,
    )
    back, kept_away = _all_back(hosts, reach, give_up=without_saving)
    _report(salvages, [host for host in hosts if host not in kept_away])
    if kept_away:
        raise CannotError("\n".join(kept_away.values()))
    if set(back) != set(hosts):
        raise stop(Exit.BAD)


def _all_back(hosts: list[str], reach: Reach, *, give_up: bool) -> tuple[list[str], dict[str, str]]:
    """Who is back, and by host why it could not be brought back: one keeps no other away."""
    back: list[str] = []
    kept_away: dict[str, str] = {}
    for host in hosts:
        announce([f"bring {host} back as a standby"])
        try:
            if bring_back(host, reach, give_up=give_up):
                done(f"{host} is back")
                back.append(host)
        except CannotError as error:
            kept_away[host] = str(error)
    return back, kept_away


def _standing(context: Context, host: str) -> Standing:
    """How the host stands to the primary.

    Raises:
        CannotError: there is no primary to follow.
    """
    with zookeeper(context) as client:
        panel = Panel(_picture(context, client))
    leader = panel.picture.cluster.leader if panel.picture.cluster else None
    if leader is None:
        raise CannotError("nobody holds the leader key: there is nobody to follow; see `twinsite explain`")
    report = panel.report(host)
    return Standing(leader.name, leader.name == host or (report is not None and report.streaming))


def _report(salvages: Salvages, hosts: list[str]) -> None:
    for found in (each for host in hosts for each in salvages.fetch(host)):
        out.print(found.says(), markup=False, soft_wrap=True)
