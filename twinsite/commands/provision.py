"""`twinsite provision`: install the system on every host of the estate."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from infra import paths
from infra.provisioning import HostRecap, Playbook, inputs_digest
from twinsite.context import Context, context_of
from twinsite.talk import announce, done, out, progress


def provision(
    ctx: typer.Context,
    limit: Annotated[str | None, typer.Option(help="Only this host or site.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only tasks with this tag.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Tell what would change; change nothing.")] = False,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Not if nothing changed since the last success.")
    ] = False,
) -> None:
    """Run playbooks/site.yml: packages, ZooKeeper, PostgreSQL, the CRM. A second run changes nothing."""
    context = context_of(ctx)
    chosen = context.estate.select(limit) if limit else context.estate.booting_hosts
    context.require_up()
    context.secrets.ensure(context.estate)
    # What the hosts were last provisioned from; whole runs only.
    stamp = context.home / "provisioned"
    digest = inputs_digest(context.secrets, context.estate)
    if if_changed and stamp.exists() and stamp.read_text() == digest:
        done("provisioned already, and nothing changed since")
        return
    announce([f"{'check' if check else 'provision'} {', '.join(host.name for host in chosen if host.boots)}"])
    log = paths.logs() / f"provision-{context.estate.name}.log"
    stamp.unlink(missing_ok=True)
    recaps = _playbook(context).run(log, progress, limit=limit, tags=tags or (), check=check)
    if not (limit or tags or check):
        stamp.write_text(digest)
    _show(recaps)


def _playbook(context: Context) -> Playbook:
    return Playbook(
        paths.CHECKOUT / "playbooks" / "site.yml",
        context.estate,
        context.secrets,
        context.lab.ssh_config if context.is_lab else None,
    )


def _show(recaps: tuple[HostRecap, ...]) -> None:
    table = Table("host", "ok", "changed", box=None)
    for recap in recaps:
        table.add_row(recap.host, str(recap.ok), str(recap.changed))
    out.print(table)
    changed = sum(recap.changed for recap in recaps)
    done(f"provisioned; tasks that changed something: {changed}")
