"""The database roles of the CRM: who they are and how a server gets them.

Provisioning creates the same roles on real servers; `ensure_roles` does it for a development or
test server and for anyone who installs by hand. It can be run any number of times.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import psycopg
from psycopg import sql

LOCK_TIMEOUT = "60s"  # for another run of `ensure_roles` to end


class Role(StrEnum):
    """PostgreSQL roles, as in docs/architecture.md."""

    OWNER = "crm_owner"
    APP = "crm_app"
    AUDIT = "crm_audit"
    MONITOR = "monitor"


# What guards the database against a client that stalls. None of them interrupts the wait of a COMMIT
# for its synchronous standbys (measured, facts.md), so none can turn a commit into a lie.
APP_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "30s",
    "search_path": "crm",
}


def ensure_roles(connection: psycopg.Connection, passwords: Mapping[Role, str]) -> None:
    """Create missing roles and set their passwords and settings; needs a superuser.

    A role without an entry in `passwords` is created NOLOGIN, or left as it is.
    """
    with connection.transaction():
        # Two at once would both find a role missing and one would fail.
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('twinsite crm roles', 0))")
        for role in Role:
            _ensure_role(connection, role, passwords.get(role))
        connection.execute("GRANT pg_monitor TO monitor")
        for name, value in APP_SETTINGS.items():
            connection.execute(
                sql.SQL("ALTER ROLE crm_app SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
            )


def ensure_database(connection: psycopg.Connection, name: str) -> None:
    """Create the database, owned by `crm_owner`, if it is missing. Needs an autocommit connection."""
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if found is None:
        statement = sql.SQL("CREATE DATABASE {} OWNER crm_owner ENCODING 'UTF8' TEMPLATE template0")
        connection.execute(statement.format(sql.Identifier(name)))


def _ensure_role(connection: psycopg.Connection, role: Role, password: str | None) -> None:
    found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role.value,)).fetchone()
    if found is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role.value)))
    if password is not None:
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(role.value), sql.Literal(password)
            )
        )
