"""A subscriber to webhooks at the users' site: checks each delivery, writes it down, and now and then fails.

What it fails at is drawn: who subscribes has bad moments, and each has to be followed by another attempt.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from loadtests import feed
from loadtests.follower import Reckoning
from loadtests.ledger import Delivery, Ledger, Told
from loadtests.signatures import fault_of

PROC = "receiver-1"
# Of so many events two meet a bad moment; in a minute of the `smoke` profile each kind comes.
BLOCK = 30
# Within the ten seconds that the CRM waits, and long enough to hold up what stands behind it.
DAWDLE_S = 1.5


class Manner(StrEnum):
    TAKE = "take"
    REFUSE = "refuse"  # 503, nothing is taken
    DROP = "drop"  # taken, but the connection breaks before the sender learns of it
    DAWDLE = "dawdle"  # taken, and answered late


class Manners:
    """How each new event is met; put off only once, as the pause after a second failure is half a minute."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"{seed}:{PROC}")  # noqa: S311 - load, no secrets
        self._met = 0
        self._odd: dict[int, Manner] = {}
        self.mended = False

    def mend(self) -> None:
        """Be well from now on: what is late in the end is the sender's doing."""
        self.mended = True

    def meet(self, attempt: int) -> Manner:
        if attempt > 1 or self.mended:
            return Manner.TAKE
        block, place = divmod(self._met, BLOCK)
        if place == 0:
            refused, other = self._rng.sample(range(BLOCK), 2)
            self._odd = {refused: Manner.REFUSE, other: (Manner.DROP, Manner.DAWDLE)[block % 2]}
        self._met += 1
        return self._odd.get(place, Manner.TAKE)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the sender is answered, and after how long; `status` None: the connection ends instead."""

    status: int | None
    wait_s: float = 0.0


NOT_YET = Reply(HTTPStatus.SERVICE_UNAVAILABLE)
_REPLIES = {
    Manner.TAKE: Reply(HTTPStatus.NO_CONTENT),
    Manner.REFUSE: Reply(HTTPStatus.SERVICE_UNAVAILABLE),
    Manner.DROP: Reply(None),
    Manner.DAWDLE: Reply(HTTPStatus.NO_CONTENT, DAWDLE_S),
}
_FORGED = Reply(HTTPStatus.UNAUTHORIZED)


class Receiver:
    """Takes one delivery after the other. Until it knows its secret it puts everything off."""

    def __init__(self, ledger: Ledger, reckoning: Reckoning, manners: Manners) -> None:
        self._ledger = ledger
        self._reckoning = reckoning
        self._manners = manners
        self._attempts: dict[str, int] = {}
        self.secret: str | None = None

    @property
    def settled(self) -> bool:
        """Tell whether all that was acknowledged has been delivered."""
        return self._reckoning.settled

    def receive(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Check, write down and answer one delivery. Never waits, so that no other comes in between."""
        if self.secret is None:
            return NOT_YET
        fault = fault_of(self.secret, headers, body, time.time())
        told = _told(body)
        id_ = headers.get("webhook-id", "")
        if fault is None and (told is None or told.id != id_):
            fault = f"webhook-id is {id_}, the event {told.id if told else 'none'}"
        attempt = self._attempts[id_] = self._attempts.get(id_, 0) + 1
        manner = Manner.REFUSE if fault else self._manners.meet(attempt)
        reply = _FORGED if fault else _REPLIES[manner]
        taken = manner is not Manner.REFUSE
        state = "taken" if taken else "refused"
        self._ledger.delivery(Delivery(id_, attempt, state, reply.status, fault, told))
        if taken and told is not None:
            self._reckoning.told([told])
        return reply


def _told(body: bytes) -> Told | None:
    try:
        event = json.loads(body)
    except ValueError:
        return None
    return feed.told_by(event, None) if isinstance(event, dict) else None
