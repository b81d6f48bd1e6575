"""The way back of a host that was lost: salvage what only it has, then rewind or rebuild it."""

from __future__ import annotations

from failover.plan import Operation, Plan, Step
from failover.verbs import Check, Expectation, Instruction, Verb

REWIND_S = 60.0
REBUILD_S = 3600.0


def plan(host: str) -> Plan:
    """Brings a host back as a streaming standby. Patroni rewinds by itself; if that sticks, it is rebuilt.

    Salvage comes before the host may run: a rewind destroys the only copy of what it wrote alone.
    """
    return Plan(
        Operation.FAILBACK,
        f"bring {host} back as a standby",
        (
            Step(
                "salvage",
                f"save what exists only on {host} for review",
                Expectation.of(Check.SALVAGED, host=host),
                do=Instruction.of(Verb.SALVAGE, host=host),
                timeout_s=600.0,
            ),
            Step(
                "unfence",
                f"let {host} run again",
                Expectation.of(Check.NOT_FENCED, host=host),
                do=Instruction.of(Verb.UNFENCE, host=host),
                timeout_s=60.0,
                commits=True,
            ),
            Step(
                "rewind",
                f"wait for Patroni to rewind {host}",
                Expectation.of(Check.STREAMS, host=host),
                timeout_s=REWIND_S,
                optional=True,
            ),
            Step(
                "rebuild",
                f"rebuild {host} from the primary if it does not stream by now",
                Expectation.of(Check.STREAMS, host=host),
                do=Instruction.of(Verb.REINITIALIZE, host=host),
                timeout_s=REBUILD_S,
            ),
        ),
    )
