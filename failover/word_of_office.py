"""What the agent in office says of the estate, as `twinsite status` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SiteExposure:
    """If the primary's site were lost now: what would be, as the agent in office measured at `at`.

    `writes` (an upper bound), `seconds`, `size_bytes`: None where it cannot be known. `exposed`: no other
    site has a copy of new writes.
    """

    at: datetime
    by: str
    primary: str
    site: str
    exposed: bool
    writes: int | None
    seconds: float | None
    size_bytes: int | None
    basis: str


@dataclass(frozen=True)
class Rule:
    """By whose word and how the estate is ruled: the agent in office and its policy (`decide.Policy`)."""

    by: str
    mode: str
    durability: str
