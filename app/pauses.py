"""How long whoever repeats something waits: longer each time, and never as long as its neighbours."""

from __future__ import annotations

import random

LEAST_SECONDS = 0.2
MOST_SECONDS = 2.0
_DOUBLINGS = 10  # more would make the same pause, of a number too large


def growing(failures: int, *, least: float = LEAST_SECONDS, most: float = MOST_SECONDS) -> float:
    """Seconds to wait after so many failures in a row, from 1 on; drawn from the upper half of what is due.

    A primary that comes back, on a host with few cores, must not be met by everybody at once.
    """
    due = min(most, least * float(1 << min(failures - 1, _DOUBLINGS)))
    return due * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
