"""HAProxy of one application host, told ahead of its own checks who is primary and who is about to be.

Its checks come to the same within seconds, and correct what was said here if it was wrong. By then, reads
would have been cut off a replica that was promoted, and writes would have waited for nothing.
"""

from __future__ import annotations

import re
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
# A line of "show sess": `scb` is the server's side, 8 the state of one that is connected (3.0.11: SC_ST_EST).
ESTABLISHED = re.compile(rf"^(?P<id>0x\w+): .* be={PRIMARY} srv=(?P<server>\S+) .*\bscb=\[8,", re.MULTILINE)
HAS_ENDED = "No such session"

Ask = Callable[[str], str]


class RouteError(RuntimeError):
    """HAProxy did not take a command."""


class Routes(Protocol):
    """Where the connections of this host's pools go. A call that raises RouteError is left to the checks."""

    def leave(self, replica: str) -> None:
        """No new reads for this replica; those that run go on."""

    def lead_to(self, primary: str) -> None:
        """New connections for writes go to this host and to no other; those of the others stay."""

    def cut_off_established(self, primary: str) -> None:
        """Connections for writes to any other host end, but for those that are still being made.

        At once after `lead_to`: whoever waits for a silent server has its next connection that much sooner.
        """

    def cut_off_others(self, primary: str) -> None:
        """Connections for writes to any other host end, and checks decide on the hosts again.

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

    def cut_off_established(self, primary: str) -> None:
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

    def cut_off_established(self, primary: str) -> None:
        others = self._others(primary)
        found = ESTABLISHED.finditer(self._ask("show sess"))
        old = [f"shutdown session {session['id']}" for session in found if session["server"] in others]
        if old:
            self._do(*old)

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
        """What is done silently is done; any word is a complaint (management.txt, "set server").

        But for one: a session that is to end may have ended by itself.
        """
        answer = self._ask("; ".join(commands)).splitlines()
        complaints = [line for line in answer if line.strip() and not line.startswith(HAS_ENDED)]
        if complaints:
            raise RouteError(f"HAProxy: {complaints[0]}")


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
