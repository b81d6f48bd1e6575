"""Make the roles and the database that the inventory asks for, and nothing else.

Runs on a database host as its operating-system user `postgres`, who needs no password for the local socket.
Standard input: one JSON object, see `Wanted`. Standard output: one line for each thing done, `changed: …`;
on a standby `standby: …` alone. Passwords appear neither there nor in the server's log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

SOCKET = "host=/run/postgresql user=postgres connect_timeout=10 application_name=provisioning"


@dataclass(frozen=True)
class Role:
    """A login role. `settings` hold in every database."""

    name: str
    password: str = field(repr=False)
    member_of: tuple[str, ...] = ()
    bypasses_row_security: bool = False
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Role:
        return cls(**{**given, "member_of": tuple(given.get("member_of", ()))})


@dataclass(frozen=True)
class Wanted:
    """What is asked for. Besides the owner, only `guests` may connect to the database."""

    roles: tuple[Role, ...]
    database: str
    owner: str
    guests: tuple[str, ...]
    extensions: tuple[str, ...]

    @classmethod
    def from_json(cls, text: str) -> Wanted:
        given: dict[str, Any] = json.loads(text)
        return cls(
            roles=tuple(Role.from_json(each) for each in given["roles"]),
            database=given["database"],
            owner=given["owner"],
            guests=tuple(given["guests"]),
            extensions=tuple(given["extensions"]),
        )


def main() -> None:
    wanted = Wanted.from_json(sys.stdin.read())
    with _connect("postgres") as server:
        if _ask(server, "SELECT pg_is_in_recovery()"):
            sys.stdout.write("standby: nothing to do here\n")
            return
        for role in wanted.roles:
            ensure_role(server, role)
        ensure_database(server, wanted)
    with _connect(wanted.database) as database:
        for extension in wanted.extensions:
            if not _ask(database, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = %s)", extension):
                _do(database, f"extension {extension} made", "CREATE EXTENSION {}", Identifier(extension))


def ensure_role(server: psycopg.Connection, role: Role) -> None:
    name = Identifier(role.name)
    if not _ask(server, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", role.name):
        _do(server, f"role {role.name} made", "CREATE ROLE {} LOGIN", name)
    verifier = _ask(server, "SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s", role.name)
    if not verifies(role.password, verifier):
        fresh = server.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"scram-sha-256")
        _do(
            server, f"password of {role.name} set", "ALTER ROLE {} PASSWORD {}", name, Literal(fresh.decode())
        )
    unhindered = "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = %s"
    if role.bypasses_row_security and not _ask(server, unhindered, role.name):
        _do(server, f"{role.name} bypasses row security", "ALTER ROLE {} BYPASSRLS", name)
    for group in role.member_of:
        if not _ask(server, "SELECT pg_has_role(%s, %s, 'MEMBER')", role.name, group):
            _do(server, f"{role.name} joined {group}", "GRANT {} TO {}", Identifier(group), name)
    ensure_settings(server, role)


def ensure_settings(server: psycopg.Connection, role: Role) -> None:
    query = (
        "SELECT coalesce((SELECT setconfig FROM pg_db_role_setting "
        "WHERE setrole = %s::regrole AND setdatabase = 0), '{}')"
    )
    held = dict(entry.split("=", 1) for entry in _ask(server, query, role.name))
    for key, value in role.settings.items():
        if held.get(key) != value:
            statement = "ALTER ROLE {} SET {} = {}"
            parts = (Identifier(role.name), Identifier(key), Literal(value))
            _do(server, f"{role.name} has {key} = {value}", statement, *parts)


def ensure_database(server: psycopg.Connection, wanted: Wanted) -> None:
    name = Identifier(wanted.database)
    if not _ask(server, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)", wanted.database):
        statement = "CREATE DATABASE {} OWNER {} TEMPLATE template0"
        _do(server, f"database {wanted.database} made", statement, name, Identifier(wanted.owner))
    anyone = (
        "SELECT EXISTS (SELECT FROM pg_database d, "
        "aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.datname = %s AND a.grantee = 0)"
    )
    if _ask(server, anyone, wanted.database):
        _do(server, f"{wanted.database} closed to all", "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
    for guest in wanted.guests:
        if not _ask(server, "SELECT has_database_privilege(%s, %s, 'CONNECT')", guest, wanted.database):
            _do(server, f"{guest} may connect", "GRANT CONNECT ON DATABASE {} TO {}", name, Identifier(guest))


def verifies(password: str, verifier: str) -> bool:
    """Whether a stored verifier is of this password (RFC 5802).

    Args:
        password: ASCII, so that SASLprep changes nothing.
        verifier: as in pg_authid, ``SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY``; anything else is
            no match.
    """
    try:
        mechanism, how, keys = verifier.split("$")
        iterations, salt = how.split(":")
        stored_key, _ = keys.split(":")
    except ValueError:
        return False
    if mechanism != "SCRAM-SHA-256":
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), base64.b64decode(stored_key))


def _connect(database: str) -> psycopg.Connection:
    return psycopg.connect(f"{SOCKET} dbname={database}", autocommit=True)


def _ask(connection: psycopg.Connection, query: str, *values: str) -> Any:
    """The single value of a query that returns one row."""
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def _do(connection: psycopg.Connection, what: str, statement: LiteralString, *parts: Composable) -> None:
    connection.execute(SQL(statement).format(*parts))
    sys.stdout.write(f"changed: {what}\n")


if __name__ == "__main__":
    main()
