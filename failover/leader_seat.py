"""Keeps the leadership of ZooKeeper's ensemble at the witness, out of the sites that a primary is lost with.

A lost site that led the ensemble costs some three seconds more: survivors first miss the leader and elect
another, and while they do nobody can confirm the loss, release the primary's lock or take it. ZooKeeper 3.9
cannot hand the leadership over. Its server is started anew, and of equals the one with the highest id is
elected, which is the witness's. docs/decisions/0206-zookeeper-leader.md.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from failover.model import Node, Unreachable, ZooKeeperState
from failover.observe.zookeeper import ask_servers

log = logging.getLogger(__name__)

LOOKS_EVERY_S = 30.0
ANSWERS_WITHIN_S = 5.0
# Somebody else may be elected instead of the witness, being a transaction ahead: it is tried again, at twice
# the distance each time, so that the ensemble is not kept busy by a witness that is always behind.
LEAVES_AGAIN_AFTER_S, LEAVES_AT_LEAST_EVERY_S = 60.0, 3600.0

Answers = Mapping[str, ZooKeeperState | Unreachable]


class Ask(Protocol):
    def __call__(self, servers: Sequence[Node]) -> Answers:
        """What each of these servers says of itself, by host."""


def leads(answers: Answers, host: str) -> bool:
    found = answers.get(host)
    return isinstance(found, ZooKeeperState) and found.mode == "leader"


def may_leave(answers: Answers, leader: str) -> bool:
    """Whether the whole ensemble serves, follows this leader, and has its tree."""
    states = [state for state in answers.values() if isinstance(state, ZooKeeperState)]
    found = answers[leader]
    return (
        isinstance(found, ZooKeeperState)
        and len(states) == len(answers)
        and found.synced_followers == len(answers) - 1
        and not any(state.digest_mismatches for state in states)
    )


class LeaderSeat:
    """The watch of an agent in a data site over the ZooKeeper server of its own host."""

    def __init__(
        self,
        here: Node,
        servers: Sequence[Node],
        witnesses: Sequence[Node],
        ask: Ask,
        *,
        busy: Callable[[], bool],
        leave: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`witnesses`: those of the servers that are wanted as the leader.

        `busy`: something is going on that a second without ZooKeeper would hold up.

        `leave`: has the server of this host started anew.
        """
        self._here, self._servers, self._witnesses, self._ask = here, servers, witnesses, ask
        self._busy, self._leave, self._monotonic = busy, leave, monotonic
        self._led_before = False
        self._patience_s = LEAVES_AGAIN_AFTER_S
        self._stays_until = float("-inf")

    def watch(self, stopping: threading.Event) -> None:
        """Until `stopping` is set."""
        while not stopping.wait(LOOKS_EVERY_S):
            try:
                self.look()
            except Exception:
                log.exception("the watch over the ensemble's leader stumbled; it goes on with the next look")

    def look(self) -> None:
        """Leaves the leadership if this host had it at the last look too, and nothing speaks against it."""
        led_before, self._led_before = self._led_before, leads(self._ask((self._here,)), self._here.name)
        if not self._led_before and self._patience_s > LEAVES_AGAIN_AFTER_S and self._led_by_a_witness():
            self._patience_s, self._stays_until = LEAVES_AGAIN_AFTER_S, float("-inf")
        if not (led_before and self._led_before) or self._monotonic() < self._stays_until or self._busy():
            return
        if may_leave(self._ask(self._servers), self._here.name):
            log.info("ZooKeeper is led from here: this server starts anew, so that the witness's is elected")
            self._stays_until, self._led_before = self._monotonic() + self._patience_s, False
            self._patience_s = min(2 * self._patience_s, LEAVES_AT_LEAST_EVERY_S)
            self._leave()

    def _led_by_a_witness(self) -> bool:
        answers = self._ask(self._witnesses)
        return any(leads(answers, witness.name) for witness in self._witnesses)


def leader_seat(
    here: Node,
    servers: Sequence[Node],
    witness_sites: Collection[str],
    tls: ssl.SSLContext,
    *,
    busy: Callable[[], bool],
    asking: Path | None,
) -> LeaderSeat | None:
    """The watch, where there is one to keep: on a data site's ZooKeeper host, while a witness can be elected.

    `asking`: the file whose existence has systemd start the server anew (role zookeeper).
    """
    witnesses = [server for server in servers if server.site in witness_sites]
    if asking is None or here not in servers or here in witnesses or not witnesses:
        return None
    ask = partial(ask_servers, tls=tls, within_s=ANSWERS_WITHIN_S)
    return LeaderSeat(here, servers, witnesses, ask, busy=busy, leave=asking.touch)
