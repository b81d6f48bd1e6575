"""Counts along with the ledger, and judges a run without faults against its profile's thresholds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from loadtests.client import GAVE_UP
from loadtests.ledger import Attempt, Operation
from loadtests.profiles import Kind, Profile

# A shorter time counts a handful of operations; its rate is noise.
STEADY_MIN_S = 1.0
# What the judged group sends.
SENT = {
    Kind.FEED: "card transactions",
    Kind.PROCESSING: "card transactions in batches",
    Kind.DESK: "requests of operators",
}


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of whole operations, retries included."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Operations by outcome, and attempts by success."""

    ok: int
    failed: int
    unknown: int
    gave_up: int
    attempts: int
    attempts_failed: int


@dataclass(frozen=True, slots=True)
class Judgement:
    passed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What had been done up to a moment: operations, each function's, and what each kind of users had sent.

    A batch counts as one operation, and as the card transactions in it for what was sent.
    """

    done: int
    by_function: Mapping[str, int]
    sent: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rates:
    """Each of the counts in a second; None for too short (or negative) a time."""

    done: float | None
    by_function: Mapping[str, float | None]
    sent: Mapping[str, float | None]

    @classmethod
    def between(cls, since: Counts, until: Counts, seconds: float) -> Self:
        def of(then: Mapping[str, int], now: Mapping[str, int]) -> dict[str, float | None]:
            return {name: steady_rate(count - then.get(name, 0), seconds) for name, count in now.items()}

        return cls(
            steady_rate(until.done - since.done, seconds),
            of(since.by_function, until.by_function),
            of(since.sent, until.sent),
        )

    def sent_by(self, kind: Kind) -> float | None:
        """Return what users of a kind sent in a second, 0 where they never came to anything."""
        return None if self.done is None else self.sent.get(kind, 0.0)


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of operation: acknowledged in a second after the ramp, and how long they took in all."""

    rate: float | None
    latency: Latency


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the statistics file holds.

    In a second from the ramp's end to the load's, None when the run ended in the ramp: `rate`, the
    acknowledged operations; `feed_rate`, what the judged group sent, the card transactions of batches singly;
    `cores`, the processor time that the clients took, from what they measure where both share a machine.
    """

    profile: str
    run_id: str
    seed: int
    duration_s: float
    users: int
    rate: float | None
    feed_rate: float | None
    cores: float | None
    totals: Totals
    latency: Latency
    by_function: dict[str, Work]
    judgement: Judgement

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


class Summary:
    """A listener of the ledger. `counts` of two moments make up rates, so that a ramp can be left out."""

    def __init__(self) -> None:
        self._durations: dict[str, list[float]] = {}
        self._outcomes = {"ok": 0, "fail": 0, "info": 0}
        self._gave_up = 0
        self._attempts = 0
        self._attempts_failed = 0
        self._sent: dict[str, int] = {}
        self._last_attempt = ""

    def attempt(self, operation: Operation, attempt: Attempt, *, succeeded: bool) -> None:  # noqa: ARG002
        self._attempts += 1
        self._attempts_failed += not succeeded
        self._last_attempt = attempt.route

    def ended(self, operation: Operation, outcome: str, duration_ns: int, reason: str | None) -> None:
        self._outcomes[outcome] += 1
        self._gave_up += reason == GAVE_UP
        if outcome == "ok":
            self._durations.setdefault(operation.function, []).append(duration_ns / 1e6)
            kind = operation.proc.partition("-")[0]
            self._sent[kind] = self._sent.get(kind, 0) + operation.size

    @property
    def route(self) -> str:
        """Return the entry of the latest attempt."""
        return self._last_attempt

    def totals(self) -> Totals:
        return Totals(
            ok=self._outcomes["ok"],
            failed=self._outcomes["fail"],
            unknown=self._outcomes["info"],
            gave_up=self._gave_up,
            attempts=self._attempts,
            attempts_failed=self._attempts_failed,
        )

    def counts(self) -> Counts:
        by_function = {function: len(durations) for function, durations in self._durations.items()}
        return Counts(self._outcomes["ok"], by_function, dict(self._sent))

    def latency(self) -> Latency:
        return latency(duration for durations in self._durations.values() for duration in durations)

    def by_function(self, rates: Rates) -> dict[str, Work]:
        return {
            function: Work(rates.by_function.get(function), latency(durations))
            for function, durations in sorted(self._durations.items())
        }


def latency(durations: Iterable[float]) -> Latency:
    """Return the percentiles of durations in ms; all zero when there are none."""
    ordered = sorted(durations)
    if not ordered:
        return Latency(0, 0.0, 0.0, 0.0, 0.0)
    return Latency(len(ordered), *(percentile(ordered, percent) for percent in (50, 95, 99, 100)))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    rank = max(math.ceil(percent / 100 * len(ordered)), 1)
    return round(ordered[rank - 1], 3)


def steady_rate(done: int, seconds: float) -> float | None:
    """Return what was done in a second; None for too short (or negative) a time."""
    return round(done / seconds, 1) if seconds >= STEADY_MIN_S else None


def judge(profile: Profile, totals: Totals, found: Latency, feed_rate: float | None) -> Judgement:
    """Hold a run without faults against its profile's thresholds; what is unknown keeps none of them."""
    limits = profile.thresholds
    ratio = totals.attempts_failed / totals.attempts if totals.attempts else 1.0
    rate_min = (
        profile.groups[profile.feed].sends_rate * limits.rate_share * min(s.share for s in profile.stages)
    )
    checks = (
        (found.p95 <= limits.p95_ms, f"p95 is {found.p95:g} ms, limit {limits.p95_ms:g} ms"),
        (found.p99 <= limits.p99_ms, f"p99 is {found.p99:g} ms, limit {limits.p99_ms:g} ms"),
        (ratio <= limits.failed_ratio, f"{ratio:.2%} of attempts failed, limit {limits.failed_ratio:.2%}"),
        (totals.gave_up <= limits.gave_up, f"{totals.gave_up} operations given up, limit {limits.gave_up}"),
        (totals.failed == 0, f"{totals.failed} operations refused, though all were valid"),
        _rate_check(feed_rate, rate_min, SENT[profile.feed]),
    )
    reasons = tuple(reason for holds, reason in checks if not holds)
    return Judgement(not reasons, reasons)


def _rate_check(feed_rate: float | None, least: float, sent: str) -> tuple[bool, str]:
    if feed_rate is None:
        return False, "the run ended before its ramp was over for a second: no rate to judge"
    return feed_rate >= least, f"{feed_rate:.1f} {sent} a second, at least {least:.1f} are due"
