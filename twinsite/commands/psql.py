"""`twinsite psql`: a superuser's session on a database host."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from failover.model import POSTGRESQL_PORT
from failover.observe.estate import observe
from infra.command import replace_process
from infra.topology import Host
from twinsite.context import Context, context_of
from twinsite.outcome import CannotError
from twinsite.talk import announce
from twinsite.wiring import access_of, layout_of


def psql(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Argument(help="A database host; without it, the primary.")] = None,
    database: Annotated[str, typer.Option("--dbname", "-d")] = "crm",
    command: Annotated[str | None, typer.Option("--command", "-c", help="Run this and end.")] = None,
) -> None:
    """Open psql as `postgres`, over TLS, on the primary or a named host."""
    context = context_of(ctx)
    context.require_up()
    target = context.estate.host(host) if host else _primary(context)
    if "postgresql" not in target.roles:
        raise CannotError(f"{target.name} is no database host")
    announce([f"open {database} on {target.name} as postgres"])
    os.environ["PGPASSWORD"] = context.secrets.read().postgres_password
    address = (
        f"host={target.name} hostaddr={target.address} port={POSTGRESQL_PORT} user=postgres"
        f" dbname={database} sslmode=verify-full sslrootcert={context.secrets.ca_certificate}"
    )
    replace_process(["psql", address, *(["--command", command] if command else [])])


def _primary(context: Context) -> Host:
    primary = observe(layout_of(context.estate), access_of(context.secrets)).primary
    if primary is None:
        raise CannotError("there is no single primary; name a host")
    return context.estate.host(primary.node.name)
