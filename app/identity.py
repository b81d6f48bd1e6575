"""Ids: UUIDv7 (RFC 9562), made by the API so that an answer is known before the database is asked."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID


def new_id() -> UUID:
    """48 bits of Unix milliseconds, then 74 random bits: ordered by creation, and unguessable enough."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def now() -> datetime:
    """The clock of this host. The estate's hosts keep it by NTP; no decision about order rests on it."""
    return datetime.now(UTC)
