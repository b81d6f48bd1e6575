"""Lock-out and the second factor. Pure: the clock comes in."""

from __future__ import annotations

from datetime import timedelta

import pyotp

FREE_FAILURES = 5
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(hours=1)
STEP_SECONDS = 30
STEPS_AROUND = (0, -1, 1)  # clocks of telephones


def lock_after(failures: int) -> timedelta | None:
    """How long an account is locked after that many failures in a row: doubling, from the fifth on."""
    if failures < FREE_FAILURES:
        return None
    return min(FIRST_LOCK * (1 << min(failures - FREE_FAILURES, 20)), LONGEST_LOCK)


def totp_step(secret: str, code: str, unix_seconds: float) -> int | None:
    """The time step that a code belongs to (RFC 6238), None if it fits none. Each may be used once."""
    now = int(unix_seconds) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for offset in STEPS_AROUND:
        if pyotp.utils.strings_equal(totp.generate_otp(now + offset), code):
            return now + offset
    return None
