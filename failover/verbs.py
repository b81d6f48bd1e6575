"""Everything the orchestrator can do or check, as data: a verb and its arguments.

Plans are made of these, the journal stores them, and `actuators.dispatch` maps each verb to one port method.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Scalar = str | int | float | bool
Arguments = tuple[tuple[str, Scalar], ...]


class Verb(StrEnum):
    """Effects. Each is idempotent: done twice, it is as if done once."""

    FENCE = "fence"
    CONFIRM_FENCE = "confirm-fence"
    UNFENCE = "unfence"
    RELEASE_LEADER_KEY = "release-leader-key"
    CLOSE_WRITES = "close-writes"
    OPEN_WRITES = "open-writes"
    PAUSE_POOLS = "pause-pools"
    RESUME_POOLS = "resume-pools"
    ROUTE = "route"
    ANNOUNCE_SWITCHOVER = "announce-switchover"
    REQUEST_SWITCHOVER = "request-switchover"
    CANCEL_SWITCHOVER = "cancel-switchover"
    FORCE_FAILOVER = "force-failover"
    PREPARE_SHUTDOWN = "checkpoint"
    PREFER_SYNCHRONOUS = "prefer-synchronous"
    RESTORE_SYNCHRONOUS = "restore-synchronous"
    PREFER_SITE = "prefer-site"
    HOLD_HOST = "hold-host"
    RETURN_HOST = "return-host"
    REINITIALIZE = "reinitialize"
    ASSERT_OTHERS_OFF = "assert-others-off"
    REWRITE_ENSEMBLE = "rewrite-ensemble"
    RESTORE_ENSEMBLE = "restore-ensemble"


class Check(StrEnum):
    """Questions about the estate as it is now. True means: the step's purpose is reached."""

    PREFLIGHT = "preflight"
    FENCED = "fenced"
    NOT_FENCED = "not-fenced"
    KEY_NOT_HELD_BY = "key-not-held-by"
    CHECKPOINT_RECENT = "checkpoint-recent"
    IS_SYNCHRONOUS = "is-synchronous"
    SYNCHRONOUS_COUNT = "synchronous-count"
    POOLS_PAUSED = "pools-paused"
    POOLS_RUNNING = "pools-running"
    SHUT_DOWN_CLEANLY = "shut-down-cleanly"
    NO_SWITCHOVER_PENDING = "no-switchover-pending"
    IS_PRIMARY = "is-primary"
    REPLACED = "replaced"
    ACCEPTS_WRITES = "accepts-writes"
    SITE_PREFERRED = "site-preferred"
    HOST_HELD = "host-held"
    HOST_RETURNED = "host-returned"
    STREAMS = "streams"
    STRANDED = "stranded"
    REBUILDING = "rebuilding"
    WRITES_CLOSED = "writes-closed"
    WRITES_OPEN = "writes-open"
    OTHERS_OFF = "others-off"
    QUORUM = "quorum"
    ALWAYS = "always"


@dataclass(frozen=True)
class Instruction:
    """A verb with its arguments, in a fixed order so that two equal instructions are equal."""

    verb: Verb
    arguments: Arguments = ()

    @classmethod
    def of(cls, verb: Verb, **arguments: Scalar) -> Instruction:
        return cls(verb, tuple(sorted(arguments.items())))

    def __str__(self) -> str:
        return _words(self.verb, self.arguments)

    def text(self, name: str) -> str:
        return str(_find(self.arguments, name))

    def number(self, name: str) -> int:
        return int(_find(self.arguments, name))

    def optional_text(self, name: str) -> str:
        return self.text(name) if name in dict(self.arguments) else ""

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if name in dict(self.arguments) else None

    def seconds(self, name: str) -> float:
        return float(_find(self.arguments, name))


@dataclass(frozen=True)
class Expectation:
    """A check with its arguments."""

    check: Check
    arguments: Arguments = ()

    @classmethod
    def of(cls, check: Check, **arguments: Scalar) -> Expectation:
        return cls(check, tuple(sorted(arguments.items())))

    def __str__(self) -> str:
        return _words(self.check, self.arguments)

    def text(self, name: str) -> str:
        return str(_find(self.arguments, name))


ALWAYS = Expectation(Check.ALWAYS)


def _find(arguments: Arguments, name: str) -> Scalar:
    """Raises KeyError when a procedure forgot an argument: a programming error, not an operator's."""
    for key, value in arguments:
        if key == name:
            return value
    raise KeyError(name)


def _words(name: str, arguments: Arguments) -> str:
    return " ".join((name, *(f"{key}={value}" for key, value in arguments)))


def to_json(item: Instruction | Expectation) -> dict[str, Any]:
    name = item.verb if isinstance(item, Instruction) else item.check
    return {"name": str(name), "arguments": dict(item.arguments)}


def instruction(raw: dict[str, Any]) -> Instruction:
    return Instruction.of(Verb(raw["name"]), **raw["arguments"])


def expectation(raw: dict[str, Any]) -> Expectation:
    return Expectation.of(Check(raw["name"]), **raw["arguments"])
