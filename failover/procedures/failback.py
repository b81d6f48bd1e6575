"""The way back of a host that was lost: it may run again and is rewound, or else it is rebuilt."""

from __future__ import annotations

from failover.plan import Operation, Plan, Step
from failover.verbs import Check, Expectation, Instruction, Verb

REWIND_S = 60.0
REBUILD_S = 3600.0


def let_return(host: str) -> Plan:
    """Lets a host run, and Patroni bring it back; destroys nothing.

    What only this host has is saved on the host itself before Patroni rewinds it (decision 0403).
    """
    return Plan(
        Operation.RETURN, f"let {host} return as a standby", (_unfence(host), _rewind(host, optional=False))
    )


def plan(host: str, warnings: tuple[str, ...] = ()) -> Plan:
    """Brings a host back as a streaming standby. Patroni rewinds by itself; if that sticks, it is rebuilt.

    A rebuild destroys what only this host has: before it is ordered, `twinsite failback` lets the host return
    (`let_return`) and, where it runs and still does not stream, saves that.
    """
    return Plan(
        Operation.FAILBACK,
        f"bring {host} back as a standby",
        (
            _unfence(host),
            _rewind(host, optional=True),
            Step(
                "rebuild",
                f"rebuild {host} from the primary if it does not stream by now",
                Expectation.of(Check.STREAMS, host=host),
                do=Instruction.of(Verb.REINITIALIZE, host=host),
                timeout_s=REBUILD_S,
            ),
        ),
        warnings=warnings,
    )


def _unfence(host: str) -> Step:
    return Step(
        "unfence",
        f"let {host} run again",
        Expectation.of(Check.NOT_FENCED, host=host),
        do=Instruction.of(Verb.UNFENCE, host=host),
        timeout_s=60.0,
        commits=True,
        unconditional=True,
    )


def _rewind(host: str, *, optional: bool) -> Step:
    return Step(
        "rewind",
        f"wait for Patroni to rewind {host}",
        Expectation.of(Check.STREAMS, host=host),
        timeout_s=REWIND_S,
        optional=optional,
    )
