"""Whether what an operation costs stays flat, grows with the logarithm of the base, or worse. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from itertools import combinations
from math import log


class Growth(IntEnum):
    """The worst of several is the greatest."""

    FLAT = 0
    LOGARITHMIC = 1
    WORSE = 2

    def __str__(self) -> str:
        return self.name.lower()


def growth(costs: Mapping[int, float], slack: float) -> Growth:
    """`costs` by size of the base; `slack` is the share by which a cost may differ for no reason.

    Each size is held against each smaller one, s, that costs c. Flat is what nowhere exceeds c, logarithmic
    what nowhere exceeds c log(size) / log(s), both with the slack. From ten thousand to ten million that is
    1.75 times as much, where something linear is a thousand times as much; from one million to ten million it
    is 1.17, so that a large cost that does not grow hides no linear one beside it.

    Raises:
        ValueError: fewer than two sizes say nothing.
    """
    steps = list(combinations(sorted(costs), 2))
    if not steps:
        raise ValueError("growth is seen between two sizes at least")
    if all(costs[large] <= costs[small] * (1 + slack) for small, large in steps):
        return Growth.FLAT
    if all(costs[large] <= costs[small] * (1 + slack) * log(large) / log(small) for small, large in steps):
        return Growth.LOGARITHMIC
    return Growth.WORSE
