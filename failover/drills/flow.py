"""Whether writes flow: the runner's live view of the ledger while the load runs. Pure but for the tail."""

from __future__ import annotations

from collections.abc import Iterable

from failover.drills.model import Event, EventType

# Writes flow while no two acknowledgements are further apart than this.
PAUSE_NS = 1_000_000_000


class Flow:
    """Since when writes have been acknowledged without a pause, after an instant that matters."""

    def __init__(self, after_ns: int) -> None:
        self._after_ns = after_ns
        self._since_ns: int | None = None
        self._last_ns = 0

    @property
    def since_ns(self) -> int | None:
        """Return the first acknowledgement of the present flow, None before the first."""
        return self._since_ns

    def feed(self, events: Iterable[Event]) -> None:
        """Take new events of the ledger; reads, which carry no marker, do not count."""
        for event in events:
            if event.type is not EventType.OK or event.marker is None or event.t_ns < self._after_ns:
                continue
            if self._since_ns is None or event.t_ns - self._last_ns > PAUSE_NS:
                self._since_ns = event.t_ns
            self._last_ns = max(self._last_ns, event.t_ns)

    def missing(self, now_ns: int, settle_s: float) -> tuple[str, ...]:
        """Return what is missing until writes have flowed for `settle_s` seconds."""
        if self._since_ns is None or now_ns - self._last_ns > PAUSE_NS:
            return ("no write is acknowledged",)
        if now_ns - self._since_ns < settle_s * 1e9:
            return (f"writes flow, for less than {settle_s:g} s yet",)
        return ()
