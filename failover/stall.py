"""How long writes will stall in a planned switch, from figures read just before. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from failover.plan import Phase

# Measured on the lab: an order to every pool and its answer; a clean stop without work left, Patroni's part
# included; promotion of a caught-up standby, from the release of the key; HAProxy's checks and reconnections.
ORDER_S = 0.1
STOP_S = 0.2
PROMOTE_S = 0.15
ROUTE_S = 0.1
# A checkpoint is made just before; this much later the primary stops and makes its last.
AFTER_CHECKPOINT_S = 1.0
CHECKPOINT_BYTES_PER_S = 50e6
LINK_BYTES_PER_S = 50e6


@dataclass(frozen=True)
class LiveFigures:
    """What was read from the primary and the candidate a moment ago.

    `longest_transaction_s`: age of the oldest transaction, which a pause of pools waits for.
    `wal_bytes_per_s`: written since the last checkpoint, on average. `lag_bytes`: not yet received by the
    candidate. `round_trip_s`: until the candidate's confirmation of a flush is back.
    """

    longest_transaction_s: float
    wal_bytes_per_s: float
    lag_bytes: int
    round_trip_s: float


def expected(figures: LiveFigures) -> tuple[Phase, ...]:
    """The phases in which no write is acknowledged, in order."""
    pending = figures.wal_bytes_per_s * AFTER_CHECKPOINT_S
    catch_up = figures.lag_bytes / LINK_BYTES_PER_S + 2 * figures.round_trip_s
    return (
        Phase(
            "pause pools",
            ORDER_S + figures.longest_transaction_s,
            f"{ORDER_S} s measured, and the oldest transaction's {figures.longest_transaction_s:.2f} s",
        ),
        Phase(
            "stop the primary",
            STOP_S + pending / CHECKPOINT_BYTES_PER_S,
            f"{STOP_S} s measured, and {pending / 1e6:.1f} MB to checkpoint",
        ),
        Phase(
            "candidate catches up",
            catch_up,
            f"{figures.lag_bytes} bytes and two round trips of {figures.round_trip_s * 1000:.1f} ms",
        ),
        Phase("promote", PROMOTE_S, "measured"),
        Phase("route", ROUTE_S, "measured"),
    )
