"""`python -m app cards …`: the keys of card numbers."""

from __future__ import annotations

import base64
import os
from typing import Annotated

import psycopg
import typer

from app.cards.keys import KEY_BYTES, CardKeys, CardSealError
from app.cards.rekey import OldKeysInUseError, forget_old_versions, rekey
from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)


@app.command("new-key")
def new_key(version: Annotated[int, typer.Argument(min=1, help="One more than the highest so far")]) -> None:
    """Print a new key for CRM_CARD_KEYS."""
    typer.echo(f"{version}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}")


@app.command("rekey")
def rekey_command(
    retire: Annotated[
        bool, typer.Option("--retire", help="Every host has only the current version by now")
    ] = False,
) -> None:
    """Seal all numbers under the first version of CRM_CARD_KEYS. Can be repeated and interrupted.

    With --retire also forget the hashes of all other versions.
    """
    settings = Settings.from_environment()
    if settings.cards is None:
        raise typer.BadParameter("CRM_CARD_KEYS is not set")
    try:
        _run(settings.database_url.get_secret_value(), settings.cards, retire)
    except (CardSealError, OldKeysInUseError, psycopg.Error) as error:
        typer.echo(f"rekey: {error}", err=True)
        raise typer.Exit(1) from None


def _run(dsn: str, keys: CardKeys, retire: bool) -> None:
    with psycopg.connect(
        dsn, autocommit=True, connect_timeout=10, application_name="crm rekey"
    ) as connection:
        for done in rekey(connection, keys):
            typer.echo(f"{done} sealed anew")
        if retire:
            typer.echo(f"{forget_old_versions(connection, keys)} old hashes removed")
    typer.echo(f"all cards are sealed under version {keys.current}")
