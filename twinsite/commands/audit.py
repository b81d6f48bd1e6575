"""`twinsite audit`: whether the CRM's log of who did and saw what is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import typer

from app.audit.model import Head
from app.audit.verification import Report, head_line, read_heads, verify_database
from failover.observe.estate import observe
from infra.topology import Host
from twinsite.context import Context, context_of
from twinsite.drilling import AUDITOR, conninfo
from twinsite.outcome import CannotError, Exit, stop
from twinsite.talk import complain, out
from twinsite.wiring import access_of, layout_of

app = typer.Typer(no_args_is_help=True, help="Look whether the log of who did and saw what is whole.")

HEADS = "audit-heads.jsonl"


@app.command()
def verify(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Argument(help="A database host; without it, the primary.")] = None,
) -> None:
    """Recompute every hash on a node, and hold the chains to the heads seen before: 0 whole, 1 broken.

    The heads are kept beside the estate's secrets, where nobody who writes to the database comes.
    """
    context = context_of(ctx)
    context.require_up()
    target = context.estate.host(host) if host else _primary(context)
    kept = context.secrets.directory / HEADS
    report = _verified(context, target, _kept(kept))
    for each in report.breaks:
        complain(f"{each.site} {each.position}: {each.fault}, {each.detail}")
    for head in report.heads:
        out.print(f"{target.name}: {head.site} has {head.position} entries, head {head.hash.hex()[:16]}…")
    out.print(f"{report.waiting} wait to be sealed; {len(report.open_recorders)} recorders are open")
    if not report.sound:
        raise stop(Exit.BAD)
    _keep(kept, report.heads)


def _primary(context: Context) -> Host:
    primary = observe(layout_of(context.estate), access_of(context.secrets)).primary
    if primary is None:
        raise CannotError("there is no single primary; name a host")
    return context.estate.host(primary.node.name)


def _verified(context: Context, target: Host, published: tuple[Head, ...]) -> Report:
    password = context.secrets.read().crm_audit_password
    with psycopg.connect(conninfo(context, target, AUDITOR, password), autocommit=True) as connection:
        return verify_database(connection, published)


def _kept(path: Path) -> tuple[Head, ...]:
    try:
        with path.open(encoding="utf-8") as lines:
            return read_heads(lines)
    except FileNotFoundError:
        return ()
    except ValueError as error:
        raise CannotError(f"{path}: {error}") from error


def _keep(path: Path, heads: tuple[Head, ...]) -> None:
    """Add them: an older head goes on proving its place."""
    new = [head for head in heads if head not in set(_kept(path))]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{head_line(head)}\n" for head in new)
    path.chmod(0o600)
