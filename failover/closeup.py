"""One host looked at directly, several times a second: for the moments of a switch in which clients wait.

The agents' views are what losses are judged by; here a plan waits for what it caused itself, and each view
that had to be published first would cost some tenths of a second.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Protocol

import psycopg

from failover.deadline import deadline, hung_up
from failover.model import PATRONI_PORT, POSTGRESQL_PORT

CONNECTS_WITHIN_S = 0.3
# For so long one look waits for the end of a session; it returns in the moment that the session ends.
LISTENS_S = 0.1


class CloseUp(Protocol):
    """Direct answers of one host. Never raises for what a network can do."""

    def stopped(self, host: str) -> bool:
        """PostgreSQL's port refuses, and Patroni's accepts: the postmaster is gone and its host is not."""

    def promoted(self, host: str) -> bool:
        """PostgreSQL says that it is not in recovery."""

    def writes(self, host: str) -> str | None:
        """Why a write was not acknowledged; None if one was."""

    def checkpoint(self, host: str) -> None:
        """Makes a checkpoint, or a restart point on a standby. Raises psycopg.Error."""


class DirectCloseUp:
    """Keeps a session with the host that is asked again and again."""

    def __init__(self, addresses: Mapping[str, str], conninfo: Callable[[str, str], str]) -> None:
        """`conninfo`: host and database to a connection string of role `monitor`."""
        self._addresses, self._conninfo = addresses, conninfo
        self._sessions: dict[str, psycopg.Connection[tuple[object, ...]]] = {}

    def stopped(self, host: str) -> bool:
        """As long as the server keeps the session that `promoted` made, it is not asked anything.

        For each connection it starts a process: some dozen a second are a part of a core that its shutdown
        then waits for.
        """
        if self._keeps_session(host):
            return False
        address = self._addresses[host]
        return _refuses(address, POSTGRESQL_PORT) and _accepts(address, PATRONI_PORT)

    def promoted(self, host: str) -> bool:
        try:
            row = self._ask(host, "SELECT pg_is_in_recovery()")
        except psycopg.Error:
            self._forget(host)
            return False
        return row == (False,)

    def writes(self, host: str) -> str | None:
        statement = "INSERT INTO ops.writer_probe (node, at) VALUES (inet_server_addr(), clock_timestamp())"
        statement += " ON CONFLICT (node) DO UPDATE SET at = excluded.at"
        try:
            self._once(host, "crm", statement, 2.0)
        except psycopg.Error as error:
            return str(error).strip().partition("\n")[0]
        return None

    def checkpoint(self, host: str) -> None:
        self._once(host, "postgres", "CHECKPOINT", 60.0)

    def _once(self, host: str, database: str, statement: str, within_s: float) -> None:
        conninfo = self._conninfo(host, database)
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=2) as connection:
            _within(connection, statement, within_s)

    def _ask(self, host: str, query: str) -> tuple[object, ...] | None:
        session = self._sessions.get(host)
        if session is None or session.closed:
            session = psycopg.connect(self._conninfo(host, "postgres"), autocommit=True, connect_timeout=2)
            self._sessions[host] = session
        return _within(session, query, CONNECTS_WITHIN_S).fetchone()

    def _keeps_session(self, host: str) -> bool:
        """There is one, and the server does not end it within a moment."""
        session = self._sessions.get(host)
        if session is None:
            return False
        if not hung_up(session, LISTENS_S):
            return True
        self._forget(host)
        return False

    def _forget(self, host: str) -> None:
        session = self._sessions.pop(host, None)
        if session is not None:
            session.close()


def _within(
    connection: psycopg.Connection[tuple[object, ...]], statement: str, within_s: float
) -> psycopg.Cursor[tuple[object, ...]]:
    """Raises psycopg.Error also when it takes too long: the connection is hung up, nothing is cancelled."""
    with deadline(connection, within_s):
        return connection.execute(statement.encode())


def _refuses(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=CONNECTS_WITHIN_S):
            return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=CONNECTS_WITHIN_S):
            return True
    except OSError:
        return False
