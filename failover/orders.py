"""Orders from the orchestrator to the agent of an application host, and the agent's answer. As znodes, JSON.

One slot for each host: an order replaces the one before it. It carries the epoch; an agent obeys none that is
lower than the highest it has seen.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from failover.leadership import ROOT

ORDERS = f"{ROOT}/orders"
ANSWERS = f"{ROOT}/answers"


class Task(StrEnum):
    """What an agent can be told to do with its host's PgBouncer and HAProxy."""

    PAUSE = "pause"
    RESUME = "resume"
    ROUTE = "route"  # only tell HAProxy who is primary


@dataclass(frozen=True)
class Order:
    """`number` is unique within an epoch. `hold_s`: after this the agent resumes by itself.

    `host`: of a pause, who shall be promoted meanwhile; else who is primary now. Empty: unknown.
    """

    epoch: int
    number: int
    task: Task
    operation: str
    hold_s: float = 0.0
    host: str = ""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Order:
        """Raises ValueError if it is no order."""
        try:
            raw = json.loads(data)
            return cls(
                int(raw["epoch"]),
                int(raw["number"]),
                Task(raw["task"]),
                str(raw["operation"]),
                float(raw["hold_s"]),
                str(raw.get("host", "")),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an order: {error!r}") from error


@dataclass(frozen=True)
class Answer:
    """What came of an order on one host."""

    epoch: int
    number: int
    obeyed: bool
    text: str

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        """Raises ValueError if it is no answer."""
        try:
            raw = json.loads(data)
            return cls(int(raw["epoch"]), int(raw["number"]), bool(raw["obeyed"]), str(raw["text"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an answer: {error!r}") from error

    def answers(self, order: Order) -> bool:
        return (self.epoch, self.number) == (order.epoch, order.number)
