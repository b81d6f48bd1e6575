"""How long a planned switch will stall writes: from the switches before it, and figures read now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from statistics import median

from failover.journal import SETTLED, Entry
from failover.plan import Operation, Phase, Stall
from failover.transitions import Durability

# The steps of a switch during which clients wait; each begins where the one before ended. The order to resume
# comes after: each agent resumes its own pool as soon as it sees the promotion (pool_gate).
STEPS = ("pause", "stop", "release", "promote")
# So many of the last switches count: enough for a median, few enough to follow what changes in an estate.
LAST = 7
# A checkpoint is made just before; this much later the primary stops and makes its last.
AFTER_CHECKPOINT_S = 1.0
# Assumed: how fast a checkpoint writes, and what the link between the sites carries.
CHECKPOINT_BYTES_PER_S = 50e6
LINK_BYTES_PER_S = 50e6
# From the promotion to the first acknowledged write, which no agent sees: the median of eleven switches under
# load in the lab, and the longest.
RECONNECT_S, RECONNECT_WORST_S = 0.3, 1.1
# A new primary has no synchronous standby in another site until Patroni has seen one stream; `strict` refuses
# writes until then. From the promotion, the median of five switches in the lab, and the longest.
COPY_AGAIN_WORST_S = 2.0
COPY_AGAIN = Phase(
    "another site has a copy again",
    1.4,
    f"durability strict: writes are refused until then; measured in the lab, at most {COPY_AGAIN_WORST_S} s",
)


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


@dataclass(frozen=True)
class Experience:
    """How long the `STEPS` took before: each of them usually, and all of them in the slowest switch. Seconds.

    `source`: what is known and from where, as a sentence; `label`: the same in a few words.
    """

    usual_s: Mapping[str, float]
    worst_s: float
    source: str
    label: str

    @classmethod
    def of(cls, newest: Iterable[Entry]) -> Experience:
        """From this estate's journal, read newest first and no further than needed; else the reference."""
        timed = ((entry, took) for entry in newest if (took := step_times(entry)))
        last = list(islice(timed, LAST))
        if not last:
            return REFERENCE
        day = datetime.fromtimestamp(last[0][0].records[0].at, UTC).date()
        times = [took for _, took in last]
        return cls(
            usual_s={step: median(took[step] for took in times) for step in STEPS},
            worst_s=max(sum(took.values()) for took in times),
            source=f"steps as in this estate's own switches: the last {len(times)}, the latest on {day}",
            label=f"median of {len(times)} here",
        )


# docs/measurements.md, "What a plan promises": eleven switches under load, medians and the slowest.
REFERENCE = Experience(
    usual_s={"pause": 0.31, "stop": 0.24, "release": 0.03, "promote": 0.17},
    worst_s=1.3,
    source="this estate's journal knows no switch yet: steps as measured in the lab, under load",
    label="measured in the lab",
)


def step_times(entry: Entry) -> dict[str, float] | None:
    """Seconds of each of the `STEPS`; None if the entry is no switch that went through in one go.

    What a successor ended tells how long its election took. A step missed counts: clients waited for it.
    The clock is the wall's, so one that was set back meanwhile makes the entry useless.
    """
    records = [record for record in entry.records if record.step in STEPS]
    if entry.plan.operation is not Operation.SWITCHOVER or len({record.epoch for record in records}) != 1:
        return None
    ended = {record.step: record.at for record in records if record.event in SETTLED}
    if not set(STEPS) <= ended.keys():
        return None
    marks = [records[0].at, *(ended[step] for step in STEPS)]
    took = {step: end - begin for step, (begin, end) in zip(STEPS, pairwise(marks), strict=True)}
    return took if min(took.values()) >= 0 else None


def expected(live: LiveFigures, past: Experience, durability: Durability = Durability.AVAILABLE) -> Stall:
    """The phases in which no write is acknowledged, in order.

    What is live is added to what the steps took before. These had some of the same in them, so the sum errs
    upwards, by as much as those switches found to wait for.
    """
    refused = (COPY_AGAIN,) if durability is Durability.STRICT else ()
    phases = (*_phases(live, past), *refused)
    more_s = sum(phase.seconds for phase in phases) - sum(past.usual_s.values()) - RECONNECT_S
    more_s += len(refused) * (COPY_AGAIN_WORST_S - COPY_AGAIN.seconds)
    return Stall(phases, past.worst_s + more_s + RECONNECT_WORST_S, past.source)


def _phases(live: LiveFigures, past: Experience) -> tuple[Phase, ...]:
    pending = live.wal_bytes_per_s * AFTER_CHECKPOINT_S
    return (
        _phase("pause pools", past, "pause", live.longest_transaction_s, "is the oldest transaction's age"),
        _phase(
            "stop the primary",
            past,
            "stop",
            pending / CHECKPOINT_BYTES_PER_S,
            f"for {pending / 1e6:.1f} MB to checkpoint",
        ),
        Phase(
            "candidate catches up",
            live.lag_bytes / LINK_BYTES_PER_S + 2 * live.round_trip_s,
            f"live: {live.lag_bytes} bytes and two round trips of {live.round_trip_s * 1000:.1f} ms",
        ),
        _phase("release the leader key", past, "release"),
        _phase("promote; each pool resumes by itself", past, "promote"),
        Phase(
            "clients' sessions anew",
            RECONNECT_S,
            f"under load, measured in the lab, at most {RECONNECT_WORST_S} s; less without load",
        ),
    )


def _phase(name: str, past: Experience, step: str, live_s: float = 0.0, why: str = "") -> Phase:
    usual_s = past.usual_s[step]
    basis = f"{usual_s:.2f} s {past.label}"
    return Phase(name, usual_s + live_s, f"{basis}; live: {live_s:.2f} s {why}" if why else basis)
