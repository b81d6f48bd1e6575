"""`twinsite lab fault`: break one thing on purpose; `twinsite lab heal`: undo it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from failover.drills.healing import restore_replication
from failover.drills.ports import PortError
from infra.faults import (
    Degradation,
    Direction,
    DiskFull,
    Fault,
    Freeze,
    LinkCut,
    Manner,
    PowerCut,
    ProcessKill,
    UnitStop,
    isolation_of,
)
from infra.secret_values import SecretsError
from infra.topology import Estate, LinkQuality
from twinsite.context import Context, context_of, require_root
from twinsite.drilling import cluster_of
from twinsite.talk import announce, done, progress

app = typer.Typer(
    no_args_is_help=True, help="Break one thing on purpose. `twinsite lab heal` undoes everything."
)

Target = Annotated[str, typer.Argument(help="A host's or a site's name.")]
Host = Annotated[str, typer.Argument(help="A host's name.")]
Unit = Annotated[str, typer.Argument(help="A systemd unit, such as patroni or haproxy.")]
Site = Annotated[str, typer.Argument(help="A site's name.")]
Way = Annotated[Direction, typer.Option("--direction", help="forward: what the first one named sends.")]


def _inject(ctx: typer.Context, *faults: Fault) -> None:
    context = context_of(ctx)
    require_root("breaking the lab")
    context.require_up()
    announce(fault.describe() for fault in faults)
    context.lab.inject(faults)
    done("done; `twinsite lab heal` undoes it")


def _booting(estate: Estate, target: str) -> tuple[str, ...]:
    return tuple(host.name for host in estate.select(target) if host.boots)


@app.command("power-cut")
def power_cut(ctx: typer.Context, target: Target) -> None:
    """Cut the power of a host or of a whole site, without any warning."""
    _inject(ctx, PowerCut(_booting(context_of(ctx).estate, target)))


@app.command()
def freeze(ctx: typer.Context, target: Target) -> None:
    """Let a host or a whole site stand still, as a paused virtual machine does."""
    _inject(ctx, Freeze(_booting(context_of(ctx).estate, target)))


@app.command("stop")
def stop_unit(ctx: typer.Context, host: Host, unit: Unit) -> None:
    """Stop a unit in good order."""
    _inject(ctx, UnitStop(context_of(ctx).estate.host(host).name, unit))


@app.command()
def kill(
    ctx: typer.Context,
    host: Host,
    unit: Unit,
    signal: Annotated[str, typer.Option(help="The signal's name without SIG.")] = "KILL",
    program: Annotated[str, typer.Option(help="Only the oldest process of this name.")] = "",
) -> None:
    """Send a signal to a unit's processes."""
    _inject(ctx, ProcessKill(context_of(ctx).estate.host(host).name, unit, signal, program))


@app.command("cut-link")
def cut_link(
    ctx: typer.Context,
    one: Site,
    other: Site,
    direction: Way = Direction.BOTH,
    manner: Annotated[Manner, typer.Option(help="Whether senders are told.")] = Manner.SILENCE,
) -> None:
    """Cut the link between two sites, both ways or one way."""
    context_of(ctx).estate.link(one, other)
    _inject(ctx, LinkCut((one, other), direction, manner))


@app.command()
def isolate(ctx: typer.Context, target: Target, direction: Way = Direction.BOTH) -> None:
    """Cut a host, or all links of a site, off from everybody but the operator."""
    _inject(ctx, *isolation_of(context_of(ctx).estate, target, direction))


@app.command()
def degrade(
    ctx: typer.Context,
    one: Site,
    other: Site,
    delay_ms: Annotated[float | None, typer.Option(help="One way.", min=0)] = None,
    jitter_ms: Annotated[float | None, typer.Option(help="One way.", min=0)] = None,
    loss_percent: Annotated[float | None, typer.Option(help="In each direction.", min=0, max=100)] = None,
    rate_mbit: Annotated[float | None, typer.Option(help="0 is unlimited.", min=0)] = None,
) -> None:
    """Give a link another quality; what is not named stays as the inventory has it."""
    link = context_of(ctx).estate.link(one, other)
    here = link.quality
    quality = LinkQuality(
        delay_ms=here.delay_ms if delay_ms is None else delay_ms,
        jitter_ms=here.jitter_ms if jitter_ms is None else jitter_ms,
        loss_percent=here.loss_percent if loss_percent is None else loss_percent,
        rate_mbit=here.rate_mbit if rate_mbit is None else rate_mbit,
    )
    _inject(ctx, Degradation(link.ends, quality))


@app.command("disk-full")
def disk_full(ctx: typer.Context, host: Host) -> None:
    """Fill the PostgreSQL volume of a database host to the last byte."""
    _inject(ctx, DiskFull(context_of(ctx).estate.host(host).name))


def boot(ctx: typer.Context, target: Target) -> None:
    """Give power back to a host or a site; what is on stays on."""
    _mend(ctx, PowerCut(_booting(context_of(ctx).estate, target)), f"boot {target}")


def thaw(ctx: typer.Context, target: Target) -> None:
    """Let a frozen host or site run on."""
    _mend(ctx, Freeze(_booting(context_of(ctx).estate, target)), f"thaw {target}")


def _mend(ctx: typer.Context, fault: Fault, text: str) -> None:
    context = context_of(ctx)
    require_root("mending the lab")
    context.require_up()
    announce([text])
    context.lab.heal([fault])


def heal(
    ctx: typer.Context,
    target: Annotated[
        str | None, typer.Argument(help="Only faults that name this host or site; without it, all.")
    ] = None,
) -> None:
    """Undo faults: boot, thaw, start, join, give links their quality back; make replication synchronous."""
    context = context_of(ctx)
    require_root("healing the lab")
    context.require_up()
    if target is None:
        chosen = None
        announce(["undo every fault"])
    else:
        names = {target, *(host.name for host in context.estate.select(target))}
        chosen = tuple(fault for fault in context.lab.book.read() if names & _names(fault))
        announce(f"undo: {fault.describe()}" for fault in chosen)
    healed = context.lab.heal(chosen)
    done(f"healed {len(healed)} faults" if healed else "nothing was broken")
    if target is None:
        _heal_replication(context)


def _heal_replication(context: Context) -> None:
    """Set back the mode that a killed `site-loss-async` left; a best effort, hosts may still be booting."""
    try:
        if restore_replication(cluster_of(context)):
            done("replication was asynchronous; set back to synchronous")
    except SecretsError:
        return  # never provisioned: there is no cluster
    except (PortError, OSError) as error:
        progress(f"the mode of replication is not known: {error}; the next drill looks again")


def _names(fault: Fault) -> set[str]:
    """The hosts and sites that a fault names."""
    held = asdict(fault)
    return {held.get("host", ""), *held.get("hosts", ()), *held.get("ends", ())} - {""}
