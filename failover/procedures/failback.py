"""The way back of a host that was lost: it may run again, is rewound, or is rebuilt."""

from __future__ import annotations

from failover.plan import Operation, Plan, Step
from failover.verbs import Check, Expectation, Instruction, Verb

REWIND_S = 60.0
REBUILD_S = 3600.0


def plan(host: str, warnings: tuple[str, ...] = ()) -> Plan:
    """Brings a host back as a streaming standby. Patroni rewinds by itself; if that sticks, it is rebuilt.

    What only this host has is saved on the host itself before anything is rewound (decision 0403); before
    a rebuild is ordered, `twinsite failback` sees to that.
    """
    streams = Expectation.of(Check.STREAMS, host=host)
    return Plan(
        Operation.FAILBACK,
        f"bring {host} back as a standby",
        (
            Step(
                "unfence",
                f"let {host} run again",
                Expectation.of(Check.NOT_FENCED, host=host),
                do=Instruction.of(Verb.UNFENCE, host=host),
                timeout_s=60.0,
                commits=True,
                unconditional=True,
            ),
            Step(
                "rewind",
                f"wait for Patroni to rewind {host}",
                streams,
                timeout_s=REWIND_S,
                optional=True,
            ),
            Step(
                "rebuild",
                f"rebuild {host} from the primary if it does not stream by now",
                streams,
                do=Instruction.of(Verb.REINITIALIZE, host=host),
                timeout_s=REBUILD_S,
            ),
        ),
        warnings=warnings,
    )
