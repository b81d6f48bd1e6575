"""How a good client tries again: what an answer means, how long to wait, when to give up. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus


class Meaning(StrEnum):
    """What one attempt's answer says about the operation."""

    DONE = "done"
    REFUSED = "refused"  # a definite no: trying again would be answered the same
    TRY_AGAIN = "try-again"  # not done, or not known to be done


@dataclass(frozen=True, slots=True)
class Answer:
    """One attempt's answer. `status` is None when none came, or not a whole one; `err` says why.

    `sent` is False when the request certainly never left, because nobody took the connection.
    """

    status: int | None
    headers: dict[str, str]
    body: dict[str, object]
    err: str | None = None
    sent: bool = True

    @property
    def code(self) -> str | None:
        """Return the problem's `code` (docs/crm-api.md, "Errors")."""
        code = self.body.get("code")
        return code if isinstance(code, str) else None

    @property
    def retry_after_s(self) -> float | None:
        """Return what the server asks to wait; only the form in seconds, as the API sends it."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isdigit() else None


# The codes of docs/crm-api.md, "did it happen?": not known yet, and certainly not.
IN_PROGRESS = "idempotency-key-in-progress"
NOT_DONE = frozenset({"no-primary", "no-remote-copy", "database-busy", "overloaded"})
# Statuses below 500 that speak of the moment, not of the request.
TRANSIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


def meaning(answer: Answer) -> Meaning:
    """Say what an answer means. Also a 500 is tried again: the same key makes that safe."""
    if (
        answer.status is None
        or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or answer.status in TRANSIENT
    ):
        return Meaning.TRY_AGAIN
    if answer.code == IN_PROGRESS:
        return Meaning.TRY_AGAIN
    return Meaning.DONE if answer.status < HTTPStatus.MULTIPLE_CHOICES else Meaning.REFUSED


def may_have_happened(answer: Answer) -> bool:
    """Tell whether an attempt that did not succeed may still take effect: it may, unless declared not to."""
    return meaning(answer) is Meaning.TRY_AGAIN and answer.sent and answer.code not in NOT_DONE


# How long operations in flight have to reach an answer once the load is told to end.
DRAIN_S = 10.0


@dataclass(frozen=True)
class Patience:
    """The client's limits, in seconds.

    An entry that does not take a connection within `connect_s` is passed over; an answer is awaited
    for `attempt_s`, a little longer than the API's own limit of 8 s (CRM_REQUEST_DEADLINE_SECONDS).
    Waits double from `backoff_s` to `backoff_max_s`, each drawn at random from its upper half, so that
    clients who failed together do not come back together. `budget_s` bounds one operation as a whole.
    """

    connect_s: float = 1.0
    attempt_s: float = 9.0
    backoff_s: float = 0.1
    backoff_max_s: float = 1.0
    budget_s: float = 60.0

    def pause(self, rounds: int, retry_after_s: float | None, rng: random.Random) -> float:
        """Return the seconds to wait after all entries failed `rounds` times in a row (1, 2, …).

        What the server asks for is the least; the jitter comes on top of it.
        """
        ceiling = min(self.backoff_max_s, self.backoff_s * 2 ** (rounds - 1))
        jittered = rng.uniform(ceiling / 2, ceiling)
        return jittered if retry_after_s is None else retry_after_s + rng.uniform(0, ceiling / 2)
