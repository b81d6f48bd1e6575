"""`python -m app ledger …`: proof of the points."""

from __future__ import annotations

import psycopg
import typer

from app.loyalty.proof import PROOFS, SHOWN, Finding, verify
from app.settings import Settings

app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)


@app.callback()
def ledger() -> None:
    """The ledger of points."""


@app.command("verify")
def verify_command() -> None:
    """Prove that all points add up. Exit status 1: they do not; what is wrong is listed."""
    settings = Settings.from_environment()
    url = settings.replica_url or settings.database_url
    try:
        with psycopg.connect(
            url.get_secret_value(), connect_timeout=10, application_name="crm ledger"
        ) as connection:
            verdict = verify(connection)
    except psycopg.Error as error:
        typer.echo(f"ledger: {error}", err=True)
        raise typer.Exit(2) from None
    for finding in verdict.findings:
        _show(finding)
    typer.echo(
        f"{verdict.entries} entries, {verdict.postings} postings, {verdict.accounts} accounts, "
        f"customers have {verdict.points} points"
    )
    if not verdict.proven:
        raise typer.Exit(1)
    typer.echo(f"proven: {'; '.join(proof.name for proof in PROOFS)}")


def _show(finding: Finding) -> None:
    typer.echo(f"WRONG: {finding.proof}: {finding.count} found", err=True)
    for line in finding.shown:
        typer.echo(f"  {line}", err=True)
    if finding.count > SHOWN:
        typer.echo(f"  … and {finding.count - SHOWN} more", err=True)
