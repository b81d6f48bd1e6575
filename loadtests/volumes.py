"""How much work the load stands for: the seeds' figures, and every rate derived from them.

The figures are those of the seed documents (features.md: "Figures of the seeds that bind"). What no
seed says is an assumption, and stands below under that word.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

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
WRITTEN_SHARE = (
    1 / 3
)  # of those others, when channels are told apart: letters, chats, reviews instead of calls
TRANSACTIONS_A_BATCH = 50  # what a processing system that sends batches gathers for one
SEARCHES_PER_USER_PER_HOUR = 12  # a user looks somebody up every five minutes


@dataclass(frozen=True, slots=True)
class Volume:
    """Average rates of the whole estate, in events a second."""

    card_transactions: float
    hotline_requests: float
    portal_requests: float
    portal_looks: float
    searches: float

    @property
    def written_requests(self) -> float:
        """Return what comes by site, messenger, chat and reviews; it is part of `hotline_requests`."""
        return self.hotline_requests * WRITTEN_SHARE

    @property
    def calls(self) -> float:
        """Return the other part of `hotline_requests`."""
        return self.hotline_requests - self.written_requests

    def times(self, factor: float) -> Volume:
        """Return the volume of an estate, or an hour, that is `factor` times as busy."""
        return Volume(*(rate * factor for rate in astuple(self)))


def average() -> Volume:
    """Return the average over day and night: 11.6 card transactions and 0.03 requests a second."""
    requests = REQUESTS_PER_DAY / SECONDS_PER_DAY
    return Volume(
        card_transactions=CARD_TRANSACTIONS_PER_MONTH / (DAYS_PER_MONTH * SECONDS_PER_DAY),
        hotline_requests=requests * (1 - PORTAL_REQUESTS_SHARE),
        portal_requests=requests * PORTAL_REQUESTS_SHARE,
        portal_looks=USERS * PORTAL_LOOKS_PER_USER_PER_HOUR / 3600,
        searches=USERS * SEARCHES_PER_USER_PER_HOUR / 3600,
    )


def busy_hour_factor() -> float:
    """Return how much busier the busiest hour is than the average hour (2.4)."""
    return BUSY_HOUR_SHARE_OF_DAY * 24
