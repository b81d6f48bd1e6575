"""How often one principal or one address may ask. The clock comes in.

A token bucket for each, in the memory of the process: a limit costs no look-up and holds while no database
answers. So it counts by process, and an installation with four allows four times as much.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import Problem, ProblemError
from app.settings import Settings

REMEMBERED = 20_000  # whoever asked last; a bucket that was forgotten is full
IPV6_HOST_BITS = 64  # one customer of a provider has as many addresses


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` in the long run, `burst` at once. A rate of 0 limits nothing."""

    per_second: float
    burst: int


class Limiter:
    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when

    def wait(self, key: str) -> int:
        """Whole seconds until the key may ask again; 0: now."""
        return self._seconds(self._left(key, self._clock()))

    def take(self, key: str) -> int:
        """The same, and takes one if it may."""
        now = self._clock()
        left = self._left(key, now)
        seconds = self._seconds(left)
        if not seconds and self._rate.per_second:
            self._buckets[key] = (left - 1, now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        return seconds

    def _seconds(self, left: float) -> int:
        return 0 if left >= 1 or not self._rate.per_second else math.ceil((1 - left) / self._rate.per_second)

    def _left(self, key: str, now: float) -> float:
        tokens, at = self._buckets.get(key, (float(self._rate.burst), 0.0))
        return min(self._rate.burst, tokens + (now - at) * self._rate.per_second)


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 network of one customer."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 4:  # noqa: PLR2004
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_HOST_BITS), strict=False))


@dataclass(frozen=True, slots=True)
class Limits:
    """Those of a process. `failures` counts failed proofs of identity by address."""

    persons: Limiter
    services: Limiter
    failures: Limiter

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        burst, failures = settings.request_burst, settings.failed_proofs_per_minute
        return cls(
            Limiter(Rate(settings.person_requests_per_second, burst)),
            Limiter(Rate(settings.service_requests_per_second, burst)),
            Limiter(Rate(failures / 60, max(1, round(failures)))),
        )

    def admit(self, principal: str, *, is_service: bool) -> None:
        """Raises ProblemError: too-many-requests."""
        seconds = (self.services if is_service else self.persons).take(principal)
        if seconds:
            raise ProblemError(Problem.TOO_MANY_REQUESTS, "slow down", retry_after=seconds)

    def hear(self, address: str | None) -> None:
        """Whether a proof from there is looked at. Raises ProblemError: too-many-attempts."""
        seconds = self.failures.wait(network(address))
        if seconds:
            detail = "too many failed attempts from your address"
            raise ProblemError(Problem.TOO_MANY_ATTEMPTS, detail, retry_after=seconds)

    def failed(self, address: str | None) -> None:
        """A proof from there was wrong."""
        self.failures.take(network(address))
