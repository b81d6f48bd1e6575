"""How long an attempt may last, and when one that failed is followed by the next.

Pure but for the jitter, which the caller draws.
"""

from __future__ import annotations

from datetime import timedelta

ATTEMPT_SECONDS = 10.0
# After the n-th attempt; some 30 hours in all, so that a subscriber may be away for a night.
_MINUTES = (0.1, 0.5, 2, 10, 30, 120, 300, 600, 720)
ATTEMPTS = len(_MINUTES) + 1
_HOLD_SECONDS_MAX = 300.0
_HOLD_EXPONENT_MAX = 10


def retry_after(attempts: int, jitter: float) -> timedelta | None:
    """After so many attempts; None: it is a dead letter. `jitter` in 0…1 adds up to a fifth."""
    if attempts >= ATTEMPTS:
        return None
    return timedelta(minutes=_MINUTES[attempts - 1] * (1 + jitter / 5))


def hold(failures: int, jitter: float) -> timedelta:
    """How long a subscriber that nothing reached is left alone: 1 s, 2 s, 4 s … 5 minutes."""
    seconds = min(2.0 ** min(failures - 1, _HOLD_EXPONENT_MAX), _HOLD_SECONDS_MAX)
    return timedelta(seconds=seconds * (1 + jitter / 5))
