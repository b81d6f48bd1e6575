"""The journeys as Locust users: who they are, how they connect, how often they act."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

from locust import User
from locust.exception import StopUser
from locust.user.wait_time import constant

from loadtests.client import Client, Ending
from loadtests.entries import Entries, Entry
from loadtests.journeys import Person, Think, look_after_own, send_transaction, take_a_call
from loadtests.ledger import Ledger
from loadtests.policy import Patience
from loadtests.profiles import SYSTEMS, Group, Kind, Profile
from loadtests.roles import (
    look_somebody_up,
    send_a_batch,
    serve_a_caller,
    visit_the_portal,
    work_at_the_window,
    write_in,
)
from loadtests.transport import Connections, HttpTransport
from loadtests.volumes import average


@dataclass(slots=True)
class Setup:
    """What all users of a process share."""

    profile: Profile
    entries: tuple[Entry, ...]
    context: ssl.SSLContext | None
    ledger: Ledger
    ending: Ending
    patience: Patience
    seed: int
    service_key: str | None = None
    numbers: dict[Kind, count[int]] = field(default_factory=lambda: {kind: count(1) for kind in Kind})
    feed_entries: Entries = field(init=False)

    def __post_init__(self) -> None:
        self.feed_entries = Entries(self.entries, self._chance("entries"))

    def person(self, kind: Kind, think: Think) -> Person:
        """Return the next user of a kind."""
        name = f"{kind}-{next(self.numbers[kind])}"
        entries = self.feed_entries if kind in SYSTEMS else self._entries_of(name)
        habits = self._chance(name)
        facts = self._chance(f"{self.ledger.run_id}:{name}")
        client = self._client(entries, self.ending, habits, self.service_key)
        return Person(name, client, self.ledger, think, facts, habits)

    def system(self, proc: str, ending: Ending, service_key: str | None) -> Client:
        """Return the hand of one who stands beside the users, with an account and an end of its own."""
        return self._client(self._entries_of(proc), ending, self._chance(proc), service_key)

    def _client(
        self, entries: Entries, ending: Ending, habits: random.Random, service_key: str | None
    ) -> Client:
        return Client(
            transport=HttpTransport(Connections(self.patience, self.context), service_key),
            entries=entries,
            ledger=self.ledger,
            patience=self.patience,
            ending=ending,
            rng=habits,
        )

    def _entries_of(self, name: str) -> Entries:
        return Entries(self.entries, self._chance(f"{name}:entries"))

    def _chance(self, whose: str) -> random.Random:
        """Return chance that a run with the same seed has again."""
        return random.Random(f"{self.seed}:{whose}")  # noqa: S311 - load, no secrets


class _User(User):
    """One user; the concrete classes below differ in their task only."""

    abstract = True
    wait_time = constant(0)
    setup: ClassVar[Setup]
    kind: ClassVar[Kind]

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.person = self.setup.person(self.kind, self.think)

    def on_start(self) -> None:
        """Begin at a moment of one's own: Locust brings users in bursts, and bursts they would stay."""
        pace_s = self.setup.profile.groups[self.kind].pace_s
        self.think(self.person.habits.uniform(0, pace_s))

    def think(self, seconds: float) -> None:
        """Let time pass; leave when the load is to end. Only here, so never within an operation."""
        if self.setup.ending.wait(seconds):
            raise StopUser


def _feed(user: _User) -> None:
    send_transaction(user.person)


def _operator(user: _User) -> None:
    take_a_call(user.person, user.setup.profile.groups[Kind.OPERATOR].pace_s)


def _portal(user: _User) -> None:
    volume = average()
    look_after_own(user.person, volume.portal_requests / volume.portal_looks)


def _window(user: _User) -> None:
    work_at_the_window(user.person, user.setup.profile.groups[Kind.WINDOW].pace_s)


def _search(user: _User) -> None:
    look_somebody_up(user.person)


def _writer(user: _User) -> None:
    write_in(user.person)


def _client(user: _User) -> None:
    volume = average()
    visit_the_portal(user.person, volume.portal_requests / volume.portal_looks)


def _processing(user: _User) -> None:
    send_a_batch(user.person)


def _desk(user: _User) -> None:
    serve_a_caller(user.person)


JOURNEYS: dict[Kind, Callable[[_User], None]] = {
    Kind.FEED: _feed,
    Kind.OPERATOR: _operator,
    Kind.PORTAL: _portal,
    Kind.WINDOW: _window,
    Kind.SEARCH: _search,
    Kind.WRITER: _writer,
    Kind.CLIENT: _client,
    Kind.PROCESSING: _processing,
    Kind.DESK: _desk,
}


def user_classes(setup: Setup) -> list[type[User]]:
    """Return one Locust class a kind, weighted so that the whole number of users splits exactly."""
    return [_user_class(setup, kind, group) for kind, group in setup.profile.groups.items()]


def _user_class(setup: Setup, kind: Kind, group: Group) -> type[_User]:
    def task(user: _User) -> None:
        """Act, and wait out the pace here: Locust would kill a user who waits its way, perhaps too late."""
        began = time.monotonic()
        JOURNEYS[kind](user)
        user.think(max(began + group.pace_s - time.monotonic(), 0))

    return type(
        f"{kind.capitalize()}User",
        (_User,),
        {"abstract": False, "setup": setup, "kind": kind, "weight": group.count, "tasks": [task]},
    )
