"""`python -m app access …`: accounts, service keys, rotation of the signing key."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import psycopg
import pyotp
import typer

from app.access.policy import Role
from app.access.principal import SIGN_IN
from app.database.units import ACT
from app.settings import Settings
from app.signin import repository
from app.signin.secrets import Vault, hash_password, hash_service_key, new_service_key
from app.signin.service import new_signing_key

app = typer.Typer(no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)

PASSWORD_VARIABLE = "CRM_NEW_PASSWORD"  # noqa: S105
MIN_PASSWORD = 12

Names = Annotated[list[str] | None, typer.Option()]
Roles = Annotated[list[Role], typer.Option(help="May be given several times")]

_UPSERT = """
INSERT INTO crm.account (id, kind, title, roles, units, regions, partner, customer, password_hash,
                         totp_sealed, key_hash)
VALUES (%(id)s, %(kind)s, %(title)s, %(roles)s, %(units)s, %(regions)s, %(partner)s, %(customer)s,
        %(password_hash)s, %(totp_sealed)s, %(key_hash)s)
ON CONFLICT (id) DO UPDATE
SET title = excluded.title, roles = excluded.roles, units = excluded.units, regions = excluded.regions,
    partner = excluded.partner, customer = excluded.customer, disabled_at = NULL,
    failures = 0, locked_until = NULL, totp_step = NULL, password_hash = excluded.password_hash,
    totp_sealed = excluded.totp_sealed, key_hash = excluded.key_hash
"""


_ROTATE_SERVICE = """
UPDATE crm.account
SET key_hash_before = key_hash, key_before_until = now() + %(overlap)s, key_hash = %(key_hash)s
WHERE id = %(id)s AND kind = 'service' AND key_hash <> %(key_hash)s
"""


def run(statement: str, parameters: dict[str, object]) -> int:
    """As crm_app, under row-level security like everyone; returns the rows changed."""
    dsn = Settings.from_environment().database_url.get_secret_value()
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.execute(ACT, SIGN_IN.parameters)
        return connection.execute(statement.encode(), parameters).rowcount


def account_values(
    kind: str,
    id_: str,
    title: str,
    roles: Sequence[Role],
) -> dict[str, object]:
    return {
        "id": id_,
        "kind": kind,
        "title": title,
        "roles": [role.value for role in roles],
        "units": [],
        "regions": [],
        "partner": None,
        "customer": None,
        "password_hash": None,
        "totp_sealed": None,
        "key_hash": None,
    }


@app.command("person")
def person(  # noqa: PLR0917  # Typer passes by name
    name: str,
    title: str,
    role: Roles,
    unit: Names = None,
    region: Names = None,
    partner: str | None = None,
    customer: str | None = None,
    second_factor: bool = True,
) -> None:
    """Make or replace a person's account; the password comes from CRM_NEW_PASSWORD.

    Prints the address of the second factor, for an authenticator's QR code, once.
    """
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if len(password) < MIN_PASSWORD:
        raise typer.BadParameter(f"{PASSWORD_VARIABLE}: at least {MIN_PASSWORD} characters")
    zone = {"units": unit or [], "regions": region or [], "partner": partner, "customer": customer}
    values = {**account_values("person", name, title, role), **zone}
    values["password_hash"] = hash_password(password)
    if second_factor:
        secret = pyotp.random_base32()
        values["totp_sealed"] = _vault().seal(secret.encode(), f"totp {name}")
    run(_UPSERT, values)
    if second_factor:
        typer.echo(pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="twinsite CRM"))


@app.command("service")
def service(name: str, title: str, role: Roles) -> None:
    """Make or replace a system's account and print its key, once.

    With CRM_NEW_SERVICE_KEY set, that key is taken instead of a new one: provisioning can then be repeated.
    """
    key = os.environ.get("CRM_NEW_SERVICE_KEY") or new_service_key()
    values = {**account_values("service", name, title, role), "key_hash": hash_service_key(key)}
    run(_UPSERT, values)
    typer.echo(key)


@app.command("rotate-service")
def rotate_service(
    name: str,
    overlap_hours: Annotated[float, typer.Option(min=0, help="How long the key before stays good")] = 24.0,
) -> None:
    """Give a system a new key and print it, once. The key before is good a while longer; an older one ends.

    With CRM_NEW_SERVICE_KEY set, that key is taken.
    """
    key = os.environ.get("CRM_NEW_SERVICE_KEY") or new_service_key()
    values = {"id": name, "key_hash": hash_service_key(key), "overlap": timedelta(hours=overlap_hours)}
    if not run(_ROTATE_SERVICE, values):
        raise typer.BadParameter(f"no system {name} with another key")
    typer.echo(key)


@app.command("rotate-signing-key")
def rotate_signing_key() -> None:
    """Make a new key for tokens and print its id.

    It signs in a minute, when every process knows it; the one before verifies until its last token has ended.
    """
    kid, parameters = new_signing_key(_vault())
    run(repository.INSERT_KEY, parameters)
    run(repository.RETIRE_KEYS, parameters)
    typer.echo(kid)


@app.command("disable")
def disable(name: str) -> None:
    """Close an account: a service's key within seconds, a person's tokens when they expire (10 minutes)."""
    if not run("UPDATE crm.account SET disabled_at = now() WHERE id = %(id)s", {"id": name}):
        raise typer.BadParameter(f"no account {name}")


def _vault() -> Vault:
    secret = Settings.from_environment().access_secret
    if secret is None:
        raise typer.BadParameter("CRM_ACCESS_SECRET is not set")
    return Vault(secret.get_secret_value())
