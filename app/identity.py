"""Ids: UUIDv7 (RFC 9562), made by the API so that an answer is known before the database is asked."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID

MILLISECONDS_SHIFT = 80  # of an id's moment
_RANDOM_BYTES = 10
# The digit that holds the variant keeps two random bits (RFC 9562, 4.1).
_VARIANT = {digit: "89ab"[int(digit, 16) >> 2] for digit in "0123456789abcdef"}


def new_id() -> UUID:
    """48 bits of Unix milliseconds, then 74 random bits: ordered by creation, and unguessable enough."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << MILLISECONDS_SHIFT | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def first_id(at: datetime) -> UUID:
    """Below every UUIDv7 made at that moment or later; before 1970 none was."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << MILLISECONDS_SHIFT)


def new_hex_ids(count: int) -> list[str]:
    """Ids of rows that are made together, as 32 hexadecimal digits each, in ascending order.

    One look at the clock and one at the source of randomness: a fifth of the time of `new_id` for each.
    """
    head = f"{time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF:012x}7"
    digits = os.urandom(_RANDOM_BYTES * count).hex()
    tails = (digits[at : at + 2 * _RANDOM_BYTES] for at in range(0, len(digits), 2 * _RANDOM_BYTES))
    return sorted(f"{head}{tail[:3]}{_VARIANT[tail[3]]}{tail[4:19]}" for tail in tails)


def now() -> datetime:
    """The clock of this host. The estate's hosts keep it by NTP; no decision about order rests on it."""
    return datetime.now(UTC)
