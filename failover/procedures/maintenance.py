"""Taking hosts out of service and back. A primary among them is switched away first, by its own operation."""

from __future__ import annotations

from failover.plan import Operation, Plan, Step
from failover.verbs import Check, Expectation, Instruction, Verb


def start(hosts: tuple[str, ...], primary: str) -> Plan:
    """Drains and holds hosts, one after the other. Raises ValueError if the primary is among them."""
    if primary in hosts:
        raise ValueError(f"{primary} is primary: switch over first")
    steps = tuple(
        Step(
            f"hold-{host}",
            f"drain {host} and hold it out of service",
            Expectation.of(Check.HOST_HELD, host=host),
            do=Instruction.of(Verb.HOLD_HOST, host=host),
            undo=Instruction.of(Verb.RETURN_HOST, host=host),
            undone=Expectation.of(Check.HOST_RETURNED, host=host),
            timeout_s=60.0,
        )
        for host in hosts
    )
    return Plan(Operation.MAINTENANCE_START, f"take {', '.join(hosts)} out of service", steps)


def end(hosts: tuple[str, ...]) -> Plan:
    """Returns hosts. Each return is final by itself: one that fails does not take the others out again."""
    steps = tuple(
        Step(
            f"return-{host}",
            f"return {host} to service",
            Expectation.of(Check.HOST_RETURNED, host=host),
            do=Instruction.of(Verb.RETURN_HOST, host=host),
            timeout_s=120.0,
            commits=True,
            optional=True,
        )
        for host in hosts
    )
    return Plan(Operation.MAINTENANCE_END, f"return {', '.join(hosts)} to service", steps)
