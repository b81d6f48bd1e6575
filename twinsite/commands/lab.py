"""`twinsite lab`: the two sites on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from infra.command import replace_process
from infra.lab_status import LabStatus, LinkStatus, status_of
from twinsite.commands import fault
from twinsite.context import context_of, require_root
from twinsite.outcome import Exit, stop
from twinsite.talk import announce, done, out, print_json, progress

app = typer.Typer(no_args_is_help=True, help="Boot, look at, break and remove the lab.")
app.add_typer(fault.app, name="fault")
app.command("boot")(fault.boot)
app.command("thaw")(fault.thaw)
app.command("heal")(fault.heal)

Host = Annotated[str, typer.Argument(help="A host's name, as the inventory has it.")]


@app.command()
def up(ctx: typer.Context) -> None:
    """Boot every host of the inventory and the network between them; what is up stays as it is."""
    context = context_of(ctx)
    steps = context.lab.describe_up()
    if not steps:
        done("the lab is up; nothing to do")
        return
    require_root("booting the lab")
    announce(steps)
    context.secrets.ensure(context.estate)
    context.lab.up(context.secrets.ssh_public_key, context.secrets.ssh_key, progress)
    done("the lab is up; `twinsite provision` installs the system on it")


@app.command()
def down(ctx: typer.Context) -> None:
    """Remove the lab, and whatever an earlier or killed run left of one."""
    context = context_of(ctx)
    require_root("removing the lab")
    announce(["end the lab's hosts and remove their networks and file systems (images and secrets stay)"])
    context.lab.down(progress)
    done("the lab is down")


@app.command()
def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell which hosts and links are there and what is broken on purpose."""
    found = status_of(context_of(ctx).lab)
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)
    if not found.up:
        raise stop(Exit.DOWN)


def _show(found: LabStatus) -> None:
    if not found.up:
        out.print("the lab is [bold]down[/]; `twinsite lab up` brings it up")
        return
    table = Table("host", "site", "address", "power", box=None)
    for host in found.hosts:
        power = "frozen" if host.frozen else "on" if host.on else "[red]off[/]"
        table.add_row(host.name, host.site, host.address, power)
    out.print(table)
    out.print()
    out.print(_links(found.links))
    out.print(
        f"\nlinks by {found.wan}, quality each way; hosts' disks in {found.storage}; "
        f"started from {found.checkout}"
    )
    for each in found.faults:
        out.print(f"[yellow]fault:[/] {each}")


def _links(links: tuple[LinkStatus, ...]) -> Table:
    """What each link does now, beside what the inventory wants of it."""
    table = Table("link", "now", "inventory", box=None)
    for link in links:
        if link.live is None:
            now = "unknown (only root may ask)"
        else:
            now = link.live.describe() if link.live == link.nominal else f"[yellow]{link.live.describe()}[/]"
        table.add_row(link.name, now, link.nominal.describe())
    return table


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def ssh(
    ctx: typer.Context,
    host: Host,
    command: Annotated[list[str] | None, typer.Argument(help="To run there; else a shell.")] = None,
) -> None:
    """Log in to a host, or run a command on it."""
    context = context_of(ctx)
    name = context.estate.host(host).name
    context.require_up()
    context.lab.machine(name)
    replace_process(["ssh", "-F", str(context.lab.ssh_config), name, *(command or [])])
