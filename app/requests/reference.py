"""The number under which a customer knows a request: 60 random bits of its id, easy to read out and to type.

Made of the id, so it is known at once and on every node; too long to guess, as whoever quotes it may write
into the request.
"""

from __future__ import annotations

import re
from uuid import UUID

# Crockford's base 32: no I, L, O, U; what is misread for another letter is read as what was meant.
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 12
_BITS = 5 * _LENGTH
_PATTERN = re.compile(r"\bR-([0-9A-Z]{4})-([0-9A-Z]{4})-([0-9A-Z]{4})\b", re.IGNORECASE)
_MISREAD = str.maketrans("ILO", "110")


def reference_of(id_: UUID) -> str:
    """`R-7K3M-9QZX-4TFB`."""
    value = id_.int & (1 << _BITS) - 1
    letters = "".join(_LETTERS[value >> shift & 31] for shift in range(_BITS - 5, -1, -5))
    return f"R-{letters[:4]}-{letters[4:8]}-{letters[8:]}"


def tail_in(text: str) -> str | None:
    """The last 15 hexadecimal digits of the id whose reference a text quotes first."""
    match = _PATTERN.search(text)
    if match is None:
        return None
    letters = "".join(match.groups()).upper().translate(_MISREAD)
    if not set(letters) <= set(_LETTERS):
        return None
    value = 0
    for letter in letters:
        value = value << 5 | _LETTERS.index(letter)
    return f"{value:015x}"
