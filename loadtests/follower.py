"""A system that follows the CRM's event feed by cursor while the users work, and reads on until it knows all.

It begins before the first write and ends after the last, so that every cursor in between was given by one
primary and may be honoured by the next. What it was told stands in the history (docs/drills.md).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from loadtests import feed
from loadtests.api import Call
from loadtests.client import Client, Ending
from loadtests.ledger import Attempt, Ledger, Operation, Told
from loadtests.policy import Answer, Meaning, meaning

PROC = "follower-1"
FUNCTION = "follow"
# Often enough to see how late an event is told; without news a look costs the primary a read and no commit.
PACE_S = 0.5
# How long it may take, once the users are gone, until all that they were acknowledged is told.
CATCH_UP_S = 30.0


class Reckoning:
    """What was acknowledged and what was told. A listener of the ledger."""

    def __init__(self) -> None:
        self.refusal: int | None = None  # the status, where the follower's latest look was refused
        self._acknowledged: set[str] = set()
        self._told: set[str] = set()

    def attempt(self, operation: Operation, attempt: Attempt, *, succeeded: bool) -> None:  # noqa: ARG002
        if operation.proc == PROC:
            refused = meaning(attempt.answer) is Meaning.REFUSED
            self.refusal = attempt.answer.status if refused else None

    def ended(self, operation: Operation, outcome: str, duration_ns: int, reason: str | None) -> None:  # noqa: ARG002
        if outcome == "ok":
            self._acknowledged.update(operation.markers)

    def told(self, events: Iterable[Told]) -> None:
        for event in events:
            self._told.update(event.markers)

    @property
    def settled(self) -> bool:
        """Tell whether all that was acknowledged has been told."""
        return self._acknowledged <= self._told


class Follower:
    """Not a user: it goes on when they are gone. `ending` is its own; once asked, it only catches up."""

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        reckoning: Reckoning,
        ending: Ending,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._reckoning = reckoning
        self._ending = ending
        self._sleep = sleep
        self._first: str | None = None
        self._cursor: str | None = None

    def begin(self) -> None:
        """Take the first cursor; whatever is written from now on comes after it."""
        answer = self._read(feed.newest())
        self._first = self._cursor = None if answer is None else feed.next_of(answer)

    def follow(self) -> None:
        """Read on, whichever primary gave the cursor, until after the end all is told or time is up."""
        while self._cursor is not None and not self._is_over():
            call = feed.read_on(self._cursor)
            answer = self._read(call)
            if answer is None:
                self._cursor = self._after_failure(self._cursor)
            else:
                self._reckoning.told(call.facts(answer).told)
                self._cursor = feed.next_of(answer)
            if answer is None or not feed.has_more(answer):
                self._sleep(PACE_S)

    def _read(self, call: Call) -> Answer | None:
        return self._client.perform(self._ledger.begin(PROC, FUNCTION, write=False), call)

    def _after_failure(self, cursor: str) -> str | None:
        """Return where to go on: what was given up for now is asked again, a definite no is not.

        A cursor that is lost, with what an operator accepted to lose, sends back to the first.
        """
        if self._reckoning.refusal is None:
            return cursor
        lost = self._reckoning.refusal == HTTPStatus.GONE and cursor != self._first
        return self._first if lost else None

    def _is_over(self) -> bool:
        if not self._ending.asked:
            return False
        return self._reckoning.settled or time.monotonic() >= self._ending.limit(math.inf)
