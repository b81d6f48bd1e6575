"""Where a reader of the feed stands: a position, and a mark of the event that stands there. Pure.

Positions are numbers without gaps, the same on every node. The mark tells a position that was taken back (an
operator forced a failover and accepted a loss) from the one that came in its place.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

from app.errors import FieldError, Problem, ProblemError

_VERSION = b"\x01"
_MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """After the event at `position`; `mark` is empty at the beginning, before any event."""

    position: int
    mark: bytes


BEGINNING = Place(0, b"")


def place_of(position: int, event: UUID) -> Place:
    return Place(position, event.bytes[-_MARK_BYTES:])


def encode(place: Place) -> str:
    raw = _VERSION + place.position.to_bytes(8, "big") + place.mark
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> Place:
    """Raises ProblemError (cursor-invalid) for anything we did not make."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    position = int.from_bytes(raw[1:9], "big")
    at_beginning = position == 0 and len(raw) == 9  # noqa: PLR2004  # version and position
    if not raw.startswith(_VERSION) or not (at_beginning or len(raw) == 9 + _MARK_BYTES) or position >= 2**63:
        error = FieldError("?after", "cursor-invalid", "use the address in `next` as it is")
        raise ProblemError(Problem.CURSOR_INVALID, error.detail, errors=[error])
    return Place(position, raw[9:])
