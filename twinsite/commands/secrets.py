"""`twinsite secrets`: look one up, for a person who has to type it somewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.secret_values import Secrets
from twinsite.context import context_of
from twinsite.talk import out

app = typer.Typer(
    no_args_is_help=True, help="Look up a secret. They are made at first use and kept outside the repository."
)


@app.command("list")
def list_names(ctx: typer.Context) -> None:
    """Name them, and say where they are kept."""
    out.print(f"kept in {context_of(ctx).secrets.directory}")
    for name in Secrets.texts():
        out.print(f"  {name}")


@app.command()
def show(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="One of `twinsite secrets list`.")]
) -> None:
    """Print one secret on standard output, and nothing else."""
    typer.echo(context_of(ctx).secrets.read().named(name))
