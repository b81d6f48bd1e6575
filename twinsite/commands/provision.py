"""`twinsite provision`: install the system on every host of the estate."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from infra import paths
from infra.provisioning import HostRecap, Playbook
from twinsite.context import context_of
from twinsite.talk import announce, done, out, progress


def provision(
    ctx: typer.Context,
    limit: Annotated[str | None, typer.Option(help="Only this host or site.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only tasks with this tag.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Tell what would change; change nothing.")] = False,
) -> None:
    """Run playbooks/site.yml: packages, ZooKeeper, PostgreSQL, the CRM. A second run changes nothing."""
    context = context_of(ctx)
    chosen = context.estate.select(limit) if limit else context.estate.booting_hosts
    context.require_up()
    names = ", ".join(host.name for host in chosen if host.boots)
    announce([f"{'check' if check else 'provision'} {names}"])
    context.secrets.ensure(context.estate)
    playbook = Playbook(
        paths.CHECKOUT / "playbooks" / "site.yml",
        context.estate,
        context.secrets,
        context.lab.ssh_config if context.is_lab else None,
    )
    log = paths.home() / "logs" / f"provision-{context.estate.name}.log"
    recaps = playbook.run(log, progress, limit=limit, tags=tags or (), check=check)
    _show(recaps)
    changed = sum(recap.changed for recap in recaps)
    done(
        f"provisioned; {changed} tasks changed something" if changed else "provisioned; nothing had to change"
    )


def _show(recaps: tuple[HostRecap, ...]) -> None:
    table = Table("host", "ok", "changed", box=None)
    for recap in recaps:
        table.add_row(recap.host, str(recap.ok), str(recap.changed))
    out.print(table)
