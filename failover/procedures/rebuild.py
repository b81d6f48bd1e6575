"""The automatic rebuild of a stranded standby: looked at once more, then ordered of its Patroni.

It ends when the copying has begun, and holds up nobody for the time that takes; D-05 alarms until it streams.
Patroni tries a copy that breaks off again by itself, from whoever is primary then.
"""

from __future__ import annotations

from failover.plan import Step
from failover.rebuilds import REBUILD
from failover.verbs import Check, Expectation, Instruction

LOOK_S, BEGINS_S = 5.0, 10.0


def steps(order: Instruction) -> tuple[Step, ...]:
    host = order.text("host")
    return (
        Step(
            "look",
            f"see once more that {host} waits for removed WAL and holds nothing of its own",
            Expectation.of(Check.STRANDED, host=host),
            timeout_s=LOOK_S,
        ),
        Step(
            REBUILD,
            f"have {host} copied anew",
            Expectation.of(Check.REBUILDING, host=host),
            do=order,
            timeout_s=BEGINS_S,
            commits=True,
        ),
    )
