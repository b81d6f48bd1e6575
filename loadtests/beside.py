"""Who stands beside the users: the follower of the event feed, and the receiver of webhooks.

Both are there before the first write, and go on when the users are gone, until they know all. Import Locust
first: see `transport`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent

from loadtests import follower, receiver
from loadtests.client import Ending
from loadtests.follower import CATCH_UP_S, Follower, Reckoning
from loadtests.listening import Listener
from loadtests.receiver import Manners, Receiver
from loadtests.subscription import Subscription
from loadtests.users import Setup

# Users, and the follower, may take this much longer to leave.
GRACE_S = 2.0
TICK_S = 0.25
# How long it may take, once the users are gone, until all that they were acknowledged is delivered. What was
# under way when a worker was lost goes again within 20 s (`LEASE` in app/webhooks); a subscriber that nobody
# could reach during a fault is left alone for up to twice as long as that has lasted.
DELIVER_S = 75.0
# How long the subscription's end is tried.
UNSUBSCRIBE_S = 10.0


class Finish:
    """Tells everybody beside the users that these are gone."""

    def __init__(self) -> None:
        self._endings: list[tuple[Ending, float]] = []

    def __bool__(self) -> bool:
        """Tell whether anybody is there."""
        return bool(self._endings)

    def ending(self, seconds: float) -> Ending:
        """Return an ending that leaves so many seconds from the users' end."""
        made = Ending()
        self._endings.append((made, seconds))
        return made

    def ask(self) -> None:
        for ending, seconds in self._endings:
            ending.ask(seconds)


@contextmanager
def following(setup: Setup, reckoning: Reckoning, finish: Finish, faults: list[str]) -> Iterator[None]:
    """Follow the event feed from before the users come until all is told that they were acknowledged."""
    ending = finish.ending(CATCH_UP_S)
    client = setup.system(follower.PROC, ending, setup.service_key)
    reader = Follower(client, setup.ledger, reckoning, ending)
    reader.begin()
    task = gevent.spawn(reader.follow)
    try:
        yield
        task.join(max(ending.limit(math.inf) - time.monotonic(), 0) + GRACE_S)
    finally:
        task.kill()
    if task.exception is not None:
        faults.append(f"following the feed: {type(task.exception).__name__}: {task.exception}")


@contextmanager
def receiving(
    setup: Setup, reckoning: Reckoning, finish: Finish, address: str, subscriber_key: str | None
) -> Iterator[None]:
    """Take webhooks at an address from before the users come until all is delivered; then end it all."""
    manners, ending, leaving = Manners(setup.seed), finish.ending(DELIVER_S), Ending()
    taker = Receiver(setup.ledger, reckoning, manners)
    listener = Listener(address, taker.receive)
    subscription = Subscription(setup.system(receiver.PROC, leaving, subscriber_key), setup.ledger)
    try:
        taker.secret = subscription.begin(listener.url)
        yield
        manners.mend()
        while taker.secret and not taker.settled and time.monotonic() < ending.limit(math.inf):
            gevent.sleep(TICK_S)
    finally:
        leaving.ask(UNSUBSCRIBE_S)
        subscription.end()
        listener.close()
