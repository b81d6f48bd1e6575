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
# Names of the sections in haproxy.cfg (role haproxy).
PRIMARY, REPLICA = "primary", "replica"

Ask = Callable[[str], str]


class RouteError(RuntimeError):
    """HAProxy did not take a command."""


class Routes(Protocol):
    """Where the connections of this host's pools go. A call that raises RouteError is left to the checks."""

    def leave(self, replica: str) -> None:
        """No new reads for this replica; those that run go on."""

    def lead_to(self, primary: str) -> None:
        """Writes go to this host and to no other."""

    def reset(self) -> None:
        """Every replica may have reads again, if the checks agree."""


class NoRoutes:
    """For a host whose HAProxy cannot be spoken to: its checks have to do."""

    def leave(self, replica: str) -> None:
        """Nothing."""

    def lead_to(self, primary: str) -> None:
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

    def reset(self) -> None:
        self._do(*(f"set server {REPLICA}/{host} state ready" for host in self._hosts))

    def _led_to(self, primary: str) -> Iterator[str]:
        """The old one first: while two are up, HAProxy would use both. A primary serves no replica reads."""
        for host in self._hosts:
            if host != primary:
                yield f"set server {PRIMARY}/{host} health down"
        yield f"set server {PRIMARY}/{primary} health up"
        yield f"set server {REPLICA}/{primary} health down"

    def _do(self, *commands: str) -> None:
        """What is done silently is done; any word is a complaint (management.txt, "set server")."""
        answer = self._ask("; ".join(commands)).strip()
        if answer:
            raise RouteError(f"HAProxy: {answer.splitlines()[0]}")


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
