"""What the orchestrator saw and decided, in ZooKeeper, for `twinsite events` and `twinsite explain`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

from kazoo.client import KazooClient, TransactionRequest

from failover.decide import Mode, Policy
from failover.leadership import ROOT, Leadership
from failover.panel import Thresholds
from failover.transitions import Durability
from failover.znodes import ANSWER_S, children, document, read

log = logging.getLogger(__name__)

EVENTS = f"{ROOT}/events"
DECISION = f"{ROOT}/decision"
KEPT = 500


@dataclass(frozen=True)
class Happening:
    """One line of the history. `at`: seconds since 1970 on the elected agent's clock."""

    at: float
    by: str
    epoch: int
    text: str


@dataclass(frozen=True)
class Announcement:
    """What the elected agent last ruled, one sentence a finding, and by which rules it judges."""

    at: float
    by: str
    epoch: int
    policy: Policy
    thresholds: Thresholds
    texts: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Announcement:
        """Raises ValueError if it is none, or another version's."""
        try:
            raw = json.loads(data)
            policy = dict(raw["policy"])
            return cls(
                at=float(raw["at"]),
                by=str(raw["by"]),
                epoch=int(raw["epoch"]),
                policy=Policy(
                    Mode(policy["mode"]),
                    Durability(policy["durability"]),
                    float(policy["anti_flap_s"]),
                    float(policy["flapping_s"]),
                ),
                thresholds=Thresholds(**raw["thresholds"]),
                texts=tuple(raw["texts"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an announcement: {error!r}") from error


class EventLog:
    """Writes only what changed: the history is read by people."""

    def __init__(
        self,
        client: KazooClient,
        leadership: Leadership,
        name: str,
        wall: Callable[[], float],
        *,
        policy: Policy,
        thresholds: Thresholds,
    ) -> None:
        self._client, self._leadership, self._name, self._wall = client, leadership, name, wall
        self._policy, self._thresholds = policy, thresholds
        self._last: tuple[str, ...] = ()

    def prepare(self) -> None:
        self._client.ensure_path(EVENTS)
        self._client.ensure_path(DECISION)

    def rulings(self, texts: tuple[str, ...], stable: tuple[str, ...]) -> None:
        """Writes `texts` when `stable`, the same without figures, has changed. All at once: an act waits."""
        if stable == self._last:
            return
        announced = Announcement(
            self._wall(), self._name, self._leadership.epoch, self._policy, self._thresholds, texts
        )
        transaction = self._leadership.stamped()
        for text in texts:
            self._line(transaction, text)
        transaction.set_data(DECISION, announced.to_bytes())
        self._leadership.commit(transaction)
        self._last = stable

    def write(self, text: str) -> None:
        transaction = self._leadership.stamped()
        self._line(transaction, text)
        self._leadership.commit(transaction)

    def _line(self, transaction: TransactionRequest, text: str) -> None:
        log.info("%s", text)
        line = json.dumps([self._wall(), self._name, self._leadership.epoch, text]).encode()
        transaction.create(f"{EVENTS}/e-", line, sequence=True)

    def trim(self) -> None:
        for name in children(self._client, EVENTS)[:-KEPT]:
            self._client.delete_async(f"{EVENTS}/{name}").get(timeout=ANSWER_S)


def history(client: KazooClient, last: int = KEPT) -> tuple[Happening, ...]:
    """The last lines, oldest first."""
    paths = (f"{EVENTS}/{name}" for name in children(client, EVENTS)[-last:])
    return tuple(Happening(*json.loads(node[0])) for node in read(client, *paths) if node)


def current(client: KazooClient) -> Announcement | None:
    """The elected agent's last ruling; None if there is none that this version can read."""
    return document(client, DECISION, Announcement.from_bytes)
