"""Does one operation the way a good client does: tries, waits, changes the entry, never changes the key."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from loadtests.api import Call
from loadtests.entries import Entries, Entry
from loadtests.ledger import Attempt, Ledger, Operation
from loadtests.policy import Answer, Meaning, Patience, may_have_happened, meaning

# The reasons for which an operation is left unknown.
GAVE_UP = "gave up: retry budget spent"
STOPPED = "stopped"
CONTRADICTED = "refused after an attempt whose outcome is unknown"


class Transport(Protocol):
    """Sends one request. It never raises for what a network or server does; it says so in the answer."""

    def send(self, entry: Entry, call: Call, operation: Operation) -> Answer: ...


class Ending:
    """Tells all users of a process that the load is to end; what is in flight may finish until then."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._deadline_s = math.inf

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def ask(self, drain_s: float) -> None:
        """Begin to end: what is in flight has this long to reach an answer. Only the first call counts."""
        if not self.asked:
            self._deadline_s = time.monotonic() + drain_s
            self._asked.set()

    def wait(self, seconds: float) -> bool:
        """Let that time pass, or less when the load is to end; return whether it is to end."""
        return self._asked.wait(seconds)

    def limit(self, deadline_s: float) -> float:
        """Return the earlier of a deadline and the end of the load."""
        return min(deadline_s, self._deadline_s)


@dataclass(slots=True)
class _Try:
    """How far one operation has come."""

    invoked_ns: int
    deadline_s: float
    number: int = 0
    failures_in_a_row: int = 0
    possibly_done: bool = False


class Client:
    """One user's hand on the API. Not shared between users; `entries` and `ledger` may be."""

    def __init__(
        self,
        *,
        transport: Transport,
        entries: Entries,
        ledger: Ledger,
        patience: Patience,
        ending: Ending,
        rng: random.Random,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._entries = entries
        self._ledger = ledger
        self._patience = patience
        self._ending = ending
        self._rng = rng
        self._sleep = sleep

    def perform(self, operation: Operation, call: Call) -> Answer | None:
        """Do the operation; return its answer, or None when it was refused or given up."""
        self._look_at_preferred()
        invoked_ns = self._ledger.invoke(operation, self._entries.current.name)
        state = _Try(invoked_ns, time.monotonic() + self._patience.budget_s)
        while True:
            attempt = self._attempt(operation, call, state)
            found = meaning(attempt.answer)
            if found is Meaning.DONE:
                self._ledger.ok(operation, attempt, invoked_ns, call.facts(attempt.answer))
                return attempt.answer
            if found is Meaning.REFUSED:
                self._refused(operation, attempt, state)
                return None
            pause_s = self._pause(attempt.answer, state)
            if pause_s is None:
                reason = STOPPED if self._ending.asked else GAVE_UP
                self._ledger.info(operation, attempt, invoked_ns, reason)
                return None
            self._ledger.retry(operation, attempt)
            self._sleep(pause_s)

    def _attempt(self, operation: Operation, call: Call, state: _Try) -> Attempt:
        entry = self._entries.current
        state.number += 1
        began = time.monotonic_ns()
        answer = self._transport.send(entry, call, operation)
        latency_ns = time.monotonic_ns() - began
        if meaning(answer) is Meaning.TRY_AGAIN:
            state.failures_in_a_row += 1
            state.possibly_done = state.possibly_done or may_have_happened(answer)
            self._entries.failed(entry, time.monotonic())
        return Attempt(state.number, entry.name, latency_ns, answer)

    def _refused(self, operation: Operation, attempt: Attempt, state: _Try) -> None:
        """A refusal is certain only when no earlier attempt may still take effect; reads take none."""
        if state.possibly_done and operation.marker is not None:
            self._ledger.info(operation, attempt, state.invoked_ns, CONTRADICTED)
        else:
            self._ledger.fail(operation, attempt, state.invoked_ns)

    def _pause(self, answer: Answer, state: _Try) -> float | None:
        """Return how long to wait before the next attempt, None when there is no time left for one.

        The next entry is tried at once; a pause is made when all of them failed.
        """
        rounds, others = divmod(state.failures_in_a_row, len(self._entries))
        pause_s = 0.0 if others else self._patience.pause(rounds, answer.retry_after_s, self._rng)
        if time.monotonic() + pause_s >= self._ending.limit(state.deadline_s):
            return None
        return pause_s

    def _look_at_preferred(self) -> None:
        """Go back to the preferred entry once it serves again; no operation pays for finding out."""
        if not self._entries.may_return(time.monotonic()):
            return
        answer = self._transport.send(self._entries.preferred, READY, _LOOK)
        if answer.status == HTTPStatus.OK and answer.body.get("serves") == "writes":
            self._entries.returned()
        else:
            self._entries.still_failing(time.monotonic())


READY = Call("GET", "/health/ready")
_LOOK = Operation(proc="client", function="look", key="look", marker=None, entity=None)
