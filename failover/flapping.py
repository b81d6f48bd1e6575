"""How often the orchestrator failed over of late, and an operator's word that it may do so again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from kazoo.client import KazooClient

from failover.journal import Entry, Event
from failover.leadership import ROOT
from failover.plan import Operation
from failover.znodes import ANSWER_S, document

ACKNOWLEDGED = f"{ROOT}/failover-acknowledged"
RELEASE = "release"


@dataclass(frozen=True)
class Acknowledgement:
    """Automatic failovers before `at` (seconds since 1970) count no more, because `by` looked into them."""

    at: float
    by: str
    why: str

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Acknowledgement:
        """Raises ValueError if it is none."""
        try:
            raw = json.loads(data)
            return cls(float(raw["at"]), str(raw["by"]), str(raw["why"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an acknowledgement: {error!r}") from error


def acknowledge(client: KazooClient, word: Acknowledgement) -> None:
    """Written by the operator's program. The agent in office sees it with its next tick."""
    client.ensure_path(ACKNOWLEDGED)
    client.set_async(ACKNOWLEDGED, word.to_bytes()).get(timeout=ANSWER_S)


def acknowledgement(client: KazooClient) -> Acknowledgement | None:
    """The last one; None if there is none that can be read: then every failover counts."""
    return document(client, ACKNOWLEDGED, Acknowledgement.from_bytes)


@dataclass(frozen=True)
class Failovers:
    """When automatic failovers released a key, in seconds since 1970, oldest first."""

    at: tuple[float, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Failovers:
        return cls(tuple(sorted(at for entry in entries if (at := released_at(entry)) is not None)))

    def since(self, instant: float) -> Failovers:
        return Failovers(tuple(at for at in self.at if at > instant))

    def last_s(self, now: float) -> float | None:
        """Seconds since the last one."""
        return now - self.at[-1] if self.at else None


def released_at(entry: Entry) -> float | None:
    """When an automatic failover released a key, in seconds since 1970; None if the entry did not."""
    if entry.plan.operation is not Operation.AUTOMATIC:
        return None
    done = [record.at for record in entry.records if record.step == RELEASE and record.event is Event.DONE]
    return done[0] if done else None
