"""How much work the load stands for: the seeds' figures, and every rate derived from them.

The figures are those of the seed documents (features.md: "Figures of the seeds that bind"). What no
seed says is an assumption, and stands below under that word.
"""

from __future__ import annotations

from dataclasses import dataclass

# Seeds.
CARD_TRANSACTIONS_PER_MONTH = 30_000_000
REQUESTS_PER_DAY = 2_500
USERS = 1_500
STATIONS = 2_000
HANDLE_TIME_S = 120  # a call is dealt with in two minutes (seed 000)

# Calendar. A month of 30 days: the seed's volume is a round monthly figure.
SECONDS_PER_DAY = 24 * 60 * 60
DAYS_PER_MONTH = 30

# Assumptions.
PORTAL_LOOKS_PER_USER_PER_HOUR = 6  # a user looks at the own requests every ten minutes
BUSY_HOUR_SHARE_OF_DAY = 0.10  # the busiest hour carries a tenth of the day
PORTAL_REQUESTS_SHARE = 0.25  # every fourth request comes from the portal, the others from the hot line


@dataclass(frozen=True, slots=True)
class Volume:
    """Average rates of the whole estate, in events a second."""

    card_transactions: float
    hotline_requests: float
    portal_requests: float
    portal_looks: float

    def times(self, factor: float) -> Volume:
        """Return the volume of an estate, or an hour, that is `factor` times as busy."""
        return Volume(
            self.card_transactions * factor,
            self.hotline_requests * factor,
            self.portal_requests * factor,
            self.portal_looks * factor,
        )


def average() -> Volume:
    """Return the average over day and night: 11.6 card transactions and 0.03 requests a second."""
    requests = REQUESTS_PER_DAY / SECONDS_PER_DAY
    return Volume(
        card_transactions=CARD_TRANSACTIONS_PER_MONTH / (DAYS_PER_MONTH * SECONDS_PER_DAY),
        hotline_requests=requests * (1 - PORTAL_REQUESTS_SHARE),
        portal_requests=requests * PORTAL_REQUESTS_SHARE,
        portal_looks=USERS * PORTAL_LOOKS_PER_USER_PER_HOUR / 3600,
    )


def busy_hour_factor() -> float:
    """Return how much busier the busiest hour is than the average hour (2.4)."""
    return BUSY_HOUR_SHARE_OF_DAY * 24
