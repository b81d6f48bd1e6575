"""The commands of the CRM API: serving, migrations, roles, worker, bulk loads, access, audit log."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Annotated

import psycopg
import typer
from pydantic import SecretStr, ValidationError

from app.audit.commands import app as audit_commands
from app.cards.commands import app as card_commands
from app.cards.keys import KEY_BYTES
from app.devserver import THROWAWAY, DevServerError, create_crm_database, running_server
from app.events.asyncapi import description
from app.imports import commands as import_commands
from app.logs import ended_by
from app.loyalty.commands import app as ledger_commands
from app.mail import commands as mail_commands
from app.migrate import MigrationError, migrate, waiting
from app.roles import Role, ensure_database, ensure_roles
from app.seeding.commands import seed
from app.server import exit_on_sigterm, run_server
from app.settings import Settings
from app.signin.commands import app as access_commands
from app.worker import commands as worker_commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
app.command("import")(import_commands.import_file)
app.command("import-worker")(import_commands.import_worker)
app.command("mail-intake")(mail_commands.mail_intake)
app.command("worker")(worker_commands.worker)
app.command("seed")(seed)

app.add_typer(access_commands, name="access")
app.add_typer(audit_commands, name="audit")
app.add_typer(card_commands, name="cards")
app.add_typer(ledger_commands, name="ledger")


def main() -> None:
    """What ends a program unforeseen is one line of its log."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the outermost guard
        typer.echo(ended_by(error), err=True)
        sys.exit(1)


def settings_or_exit() -> Settings:
    """Settings from the environment; says which variable is missing or wrong, and leaves with 2."""
    try:
        return Settings.from_environment()
    except ValidationError as error:
        for problem in error.errors():
            name = "CRM_" + "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"{name}: {problem['msg']}", err=True)
        raise typer.Exit(2) from None


@app.command("migrate")
def migrate_command(
    finish: Annotated[bool, typer.Option("--finish", help="Every host serves this release by now")] = False,
) -> None:
    """Bring the schema at CRM_MIGRATION_URL, else CRM_DATABASE_URL, up to date. Can be repeated.

    Connect straight to the primary's PostgreSQL, as crm_owner or a superuser; PgBouncer cannot hold the lock.
    What the release before still needs is left alone until --finish.
    """
    dsn = settings_or_exit().migrations_dsn
    try:
        applied = migrate(dsn, finish=finish)
        left = waiting(dsn)
    except (MigrationError, psycopg.Error) as error:
        typer.echo(f"migrate: {error}", err=True)
        raise typer.Exit(1) from None
    for migration in applied:
        typer.echo(f"applied {migration.version:04} {migration.name}")
    typer.echo(f"{len(applied)} applied" if applied else "up to date")
    for migration in left:
        typer.echo(f"waiting for --finish: {migration.version:04} {migration.name}")


@app.command("roles")
def roles_command(
    url: Annotated[str, typer.Option(help="Connection string of a superuser", envvar="CRM_ADMIN_URL")],
    database: Annotated[str, typer.Option(help="Database to create if it is missing; none if empty")] = "",
) -> None:
    """Create the CRM's database roles where they are missing. Can be run any number of times.

    Passwords come from CRM_PASSWORD_OWNER, CRM_PASSWORD_APP, CRM_PASSWORD_AUDIT and CRM_PASSWORD_MONITOR; a
    role without one cannot log in.
    """
    passwords = {role: os.environ.get(f"CRM_PASSWORD_{role.name}") for role in Role}
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            ensure_roles(connection, {role: password for role, password in passwords.items() if password})
            if database:
                ensure_database(connection, database)
    except psycopg.Error as error:
        typer.echo(f"roles: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo("roles are in place")


@app.command()
def openapi() -> None:
    """Print the OpenAPI description."""
    from app.main import create_app  # noqa: PLC0415  # workers need no endpoints: a second of a core a boot

    settings = Settings(database_url=SecretStr("postgresql:///"))
    typer.echo(json.dumps(create_app(settings).openapi(), ensure_ascii=False, indent=2))


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI description of the events."""
    typer.echo(json.dumps(description(), ensure_ascii=False, indent=2))


@app.command()
def serve() -> None:
    """Serve the API in production; settings come from the environment (docs/crm-api.md)."""
    run_server(settings_or_exit())


@app.command()
def dev(
    listen: Annotated[str, typer.Option(help="ADDRESS:PORT")] = "127.0.0.1:8000",
    postgresql: Annotated[int | None, typer.Option(help="Major version, if several are installed")] = None,
) -> None:
    """Run the API on a PostgreSQL of its own until Ctrl-C. Needs no root and leaves nothing behind."""
    exit_on_sigterm()
    try:
        with running_server(THROWAWAY, postgresql) as server:
            database = create_crm_database(server)
            typer.echo(f"PostgreSQL for psql: {database.admin_url}")
            os.environ.update(
                CRM_DATABASE_URL=database.url(), CRM_LISTEN=listen, CRM_WORKERS="1", CRM_DRAIN_SECONDS="1"
            )
            os.environ.setdefault("CRM_CARD_KEYS", f"1:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}")
            run_server(settings_or_exit())
    except DevServerError as error:
        typer.echo(f"dev: {error}", err=True)
        raise typer.Exit(1) from None
