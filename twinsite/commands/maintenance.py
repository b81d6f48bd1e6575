"""`twinsite maintenance`: take a host or a site out of service and back, without a failed request."""

from __future__ import annotations

from typing import Annotated

import typer

from failover.estate_reader import EstateReader
from failover.journal import Outcome
from failover.maintenance import held_hosts
from failover.plan import Operation
from infra import paths
from infra.provisioning import Playbook
from infra.topology import Host
from twinsite.context import Context, context_of
from twinsite.ordering import conclude, order, request, zookeeper
from twinsite.outcome import CannotError
from twinsite.talk import announce, done, out, progress
from twinsite.wiring import layout_of

app = typer.Typer(no_args_is_help=True, help="Hosts and sites out of service and back.")

Name = Annotated[str, typer.Argument(help="A host's or a site's name.")]
Why = Annotated[str, typer.Option(help="Why; kept in the journal.")]


@app.command()
def start(ctx: typer.Context, name: Name, reason: Why = "") -> None:
    """Switch the primary away if it is there, drain the hosts, and hold them out of service."""
    context = context_of(ctx)
    context.require_up()
    hosts = _hosts(context, name)
    _warn(context, hosts)
    _switch_away(context, hosts, reason)
    announce([f"hold {', '.join(host.name for host in hosts)} out of service"])
    _on_hosts(context, hosts, held=True)
    names = " ".join(host.name for host in hosts)
    conclude(order(context, request(Operation.MAINTENANCE_START, reason, hosts=names)))


@app.command()
def end(ctx: typer.Context, name: Name, reason: Why = "") -> None:
    """Return hosts to service."""
    context = context_of(ctx)
    context.require_up()
    hosts = _hosts(context, name)
    announce([f"return {', '.join(host.name for host in hosts)} to service"])
    _on_hosts(context, hosts, held=False)
    names = " ".join(host.name for host in hosts)
    conclude(order(context, request(Operation.MAINTENANCE_END, reason, hosts=names)))


@app.command("list")
def list_held(ctx: typer.Context) -> None:
    """Name the hosts that are held."""
    with zookeeper(context_of(ctx)) as client:
        held = sorted(held_hosts(client))
    out.print("\n".join(held) or "every host is in service", markup=False)


def _hosts(context: Context, name: str) -> tuple[Host, ...]:
    """Raises CannotError: nothing there that could be held."""
    layout = layout_of(context.estate)
    known = {node.name for node in (*layout.databases, *layout.applications, *layout.zookeepers)}
    hosts = tuple(host for host in context.estate.select(name) if host.name in known)
    if not hosts:
        raise CannotError(f"{name} has no host that serves")
    return hosts


def _warn(context: Context, hosts: tuple[Host, ...]) -> None:
    """What the rest cannot do meanwhile."""
    layout, names = layout_of(context.estate), {host.name for host in hosts}
    for site in layout.data_sites:
        if all(node.name in names for node in layout.databases if node.site == site):
            progress(f"no database of {site} is left: writes have no copy in another site meanwhile")
        if all(node.name in names for node in layout.applications if node.site == site):
            progress(f"no application host of {site} is left: its entry answers nobody meanwhile")


def _switch_away(context: Context, hosts: tuple[Host, ...], reason: str) -> None:
    """A primary that is about to be held hands over to the other site first.

    Raises:
        CannotError: the other site has no database that stays.
        OrderFailedError: it could not hand over; nothing was held.
    """
    layout, names = layout_of(context.estate), {host.name for host in hosts}
    with zookeeper(context) as client:
        leader = EstateReader(client).cluster().leader
    if leader is None or leader.name not in names:
        return
    home = context.estate.host(leader.name).site
    others = {node.site for node in layout.databases if node.site != home and node.name not in names}
    if not others:
        raise CannotError(f"{leader.name} is primary, and no database outside of {home} stays in service")
    asked = request(Operation.SWITCHOVER, reason or f"{leader.name} goes into maintenance", site=min(others))
    entry = order(context, asked)
    if entry.outcome is not Outcome.DONE:
        raise CannotError(f"the primary did not move ({entry.outcome}); nothing was held")
    done(f"the primary is in {min(others)}")


def _on_hosts(context: Context, hosts: tuple[Host, ...], *, held: bool) -> None:
    """Raises ProvisioningError."""
    playbook = Playbook(
        paths.CHECKOUT / "playbooks" / "maintenance.yml",
        context.estate,
        context.secrets,
        context.lab.ssh_config if context.is_lab else None,
    )
    playbook.run(
        paths.logs() / f"maintenance-{context.estate.name}.log",
        progress,
        limit=",".join(host.name for host in hosts),
        variables={"maintenance_held": held},
    )
