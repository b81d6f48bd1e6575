"""HAProxy of one application host, told ahead of its own checks who is primary and who is about to be.

Its checks come to the same within seconds, and correct what was said here if it was wrong. By then, reads
would have been cut off a replica that was promoted, and writes would have waited for nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

ANSWERS_WITHIN_S = 0.5
# Sections of haproxy.cfg (role haproxy): where connections go through, and whose checks these follow.
PRIMARY, REPLICA = "primary", "replica"
PRIMARY_CHECKS, REPLICA_CHECKS = "primary-checks", "replica-checks"
# A pool's connection that a database host does not accept is given up after this (`timeout connect`).
CONNECTS_WITHIN_S = 0.3

Ask = Callable[[str], str]


class RouteError(RuntimeError):
    """HAProxy did not take a command."""


class Routes(Protocol):
    """Where the connections of this host's pools go. A call that raises RouteError is left to the checks."""

    def leave(self, replica: str) -> None:
        """No new reads for this replica; those that run go on."""

    def lead_to(self, primary: str) -> None:
        """New connections for writes go to this host and to no other; those of the others stay."""

    def cut_off_others(self, primary: str) -> None:
        """Connections for writes to any other host end.

        Not within CONNECTS_WITHIN_S of `lead_to`, unless nobody connects meanwhile: HAProxy 3.0 never ends a
        connection that is cut while it waits for a silent server (seen with 3.0.11: neither `timeout connect`
        nor `shutdown session` did), and PgBouncer makes one at a time, so each pool lost two seconds.
        """

    def reset(self) -> None:
        """Every host may have connections again, if the checks agree."""


class NoRoutes:
    """For a host whose HAProxy cannot be spoken to: its checks have to do."""

    def leave(self, replica: str) -> None:
        """Nothing."""

    def lead_to(self, primary: str) -> None:
        """Nothing."""

    def cut_off_others(self, primary: str) -> None:
        """Nothing."""

    def reset(self) -> None:
        """Nothing."""


class HaproxyRoutes:
    """By HAProxy's runtime socket. `hosts`: every database host, by its name in haproxy.cfg."""

    def __init__(self, ask: Ask, hosts: Iterable[str]) -> None:
        self._ask, self._hosts = ask, tuple(hosts)

    def leave(self, replica: str) -> None:
        self._do(f"set server {REPLICA}/{replica} state drain")

    def lead_to(self, primary: str) -> None:
        self._do(*self._led_to(primary))

    def cut_off_others(self, primary: str) -> None:
        self._do(*(line for host in self._others(primary) for line in _cut_off(host)))

    def reset(self) -> None:
        self._do(
            *(f"set server {each}/{host} state ready" for each in (PRIMARY, REPLICA) for host in self._hosts)
        )

    def _led_to(self, primary: str) -> Iterator[str]:
        """The old one first: while two are up, HAProxy would use both. A primary serves no replica reads."""
        for host in self._others(primary):
            yield f"set server {PRIMARY}/{host} state drain"
        yield f"set server {PRIMARY}/{primary} state ready"
        yield f"set server {PRIMARY_CHECKS}/{primary} health up"
        yield f"set server {REPLICA_CHECKS}/{primary} health down"

    def _others(self, primary: str) -> tuple[str, ...]:
        return tuple(host for host in self._hosts if host != primary)

    def _do(self, *commands: str) -> None:
        """What is done silently is done; any word is a complaint (management.txt, "set server")."""
        answer = self._ask("; ".join(commands)).strip()
        if answer:
            raise RouteError(f"HAProxy: {answer.splitlines()[0]}")


def _cut_off(host: str) -> tuple[str, ...]:
    return (
        f"set server {PRIMARY_CHECKS}/{host} health down",
        f"shutdown sessions server {PRIMARY}/{host}",
        f"set server {PRIMARY}/{host} state ready",
    )


def ask_socket(path: Path) -> Ask:
    """A function that sends one line to HAProxy's socket and returns what it answers."""

    def ask(line: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWERS_WITHIN_S)
                connection.connect(str(path))
                connection.sendall(f"{line}\n".encode())
                return b"".join(iter(lambda: connection.recv(4096), b"")).decode(errors="replace")
        except OSError as error:
            raise RouteError(f"{path}: {error}") from error

    return ask
