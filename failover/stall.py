"""How long writes will stall in a planned switch, from figures read just before. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from failover.plan import Phase

# Measured on the lab (facts file): a clean stop without work left, and promotion of a caught-up standby.
STOP_S = 0.14
PROMOTE_S = 0.12
# HAProxy's fast check interval, twice, and one round of reconnections.
ROUTE_S = 0.2


@dataclass(frozen=True)
class LiveFigures:
    """What was read from the primary and the candidate a moment ago.

    `longest_transaction_s`: age of the oldest write transaction, which a pause of pools waits for.
    `unflushed_bytes`: WAL since the last checkpoint. `lag_bytes`: not yet received by the candidate.
    `wal_bytes_per_s`: what the link and the candidate took lately. `round_trip_s`: between the two sites.
    """

    longest_transaction_s: float
    unflushed_bytes: int
    lag_bytes: int
    wal_bytes_per_s: float
    round_trip_s: float
    checkpoint_bytes_per_s: float = 50e6


def expected(figures: LiveFigures) -> tuple[Phase, ...]:
    """The phases in which no write is acknowledged, in order."""
    catch_up = figures.lag_bytes / max(figures.wal_bytes_per_s, 1.0) + 2 * figures.round_trip_s
    stop = STOP_S + figures.unflushed_bytes / figures.checkpoint_bytes_per_s
    return (
        Phase("pause pools", figures.longest_transaction_s, "age of the oldest write transaction"),
        Phase(
            "stop the primary", stop, f"{STOP_S} s measured, {figures.unflushed_bytes} bytes to checkpoint"
        ),
        Phase("candidate catches up", catch_up, f"{figures.lag_bytes} bytes and two round trips"),
        Phase("promote", PROMOTE_S, "measured"),
        Phase("route", ROUTE_S, "two checks of HAProxy"),
    )
