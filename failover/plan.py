"""Operations as data: a plan is a list of steps, each declaring do, undo and check together.

A plan can be printed before it runs, stored in the journal while it runs, and read back by a successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from failover.verbs import ALWAYS, Expectation, Instruction, expectation, instruction, to_json


class Operation(StrEnum):
    """The kinds of operations an estate knows."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"
    AUTOMATIC = "automatic"
    MAINTENANCE_START = "maintenance-start"
    MAINTENANCE_END = "maintenance-end"
    FAILBACK = "failback"
    RECOVER_QUORUM = "recover-quorum"


@dataclass(frozen=True)
class Step:
    """One step. `check` says whether its purpose is reached; what is reached already is not done again.

    `commits`: from the intent of this step on there is no way back, a successor goes forward. `optional`:
    if it fails, the plan goes on and says so. `do` None: nothing to do but wait for the check.
    `unconditional`: done whatever the check says before.
    """

    name: str
    says: str
    check: Expectation
    do: Instruction | None = None
    undo: Instruction | None = None
    undone: Expectation = ALWAYS
    timeout_s: float = 10.0
    commits: bool = False
    optional: bool = False
    unconditional: bool = False


@dataclass(frozen=True)
class Phase:
    """A part of the expected stall of writes, in seconds, and what it was computed from."""

    name: str
    seconds: float
    basis: str


@dataclass(frozen=True)
class Plan:
    """What will be done, in order. Step names are unique within a plan."""

    operation: Operation
    title: str
    steps: tuple[Step, ...]
    stall: tuple[Phase, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError(f"step names repeat in {self.title}: {names}")

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    @property
    def stall_s(self) -> float:
        return sum(phase.seconds for phase in self.stall)

    def describe(self) -> str:
        """The plan as an operator reads it before it is executed."""
        lines = [self.title, *(f"  ! {warning}" for warning in self.warnings)]
        for number, step in enumerate(self.steps, 1):
            lines.append(f"  {number}. {step.says}")
            lines.append(f"     until {step.check}, at most {step.timeout_s:g} s; {_way_back(step)}")
        if self.stall:
            lines.append(f"  expected stall of writes: {self.stall_s:.2f} s")
            lines.extend(f"     {phase.name}: {phase.seconds:.2f} s ({phase.basis})" for phase in self.stall)
        return "\n".join(lines)


def _way_back(step: Step) -> str:
    if step.commits:
        return "no way back from here"
    return f"undone by {step.undo}" if step.undo else "nothing to undo"


def plan_to_json(plan: Plan) -> dict[str, Any]:
    return {
        "operation": str(plan.operation),
        "title": plan.title,
        "warnings": list(plan.warnings),
        "stall": [[phase.name, phase.seconds, phase.basis] for phase in plan.stall],
        "steps": [_step_to_json(step) for step in plan.steps],
    }


def _step_to_json(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "says": step.says,
        "check": to_json(step.check),
        "do": to_json(step.do) if step.do else None,
        "undo": to_json(step.undo) if step.undo else None,
        "undone": to_json(step.undone),
        "timeout_s": step.timeout_s,
        "commits": step.commits,
        "optional": step.optional,
        "unconditional": step.unconditional,
    }


def plan_from_json(raw: dict[str, Any]) -> Plan:
    return Plan(
        operation=Operation(raw["operation"]),
        title=raw["title"],
        steps=tuple(_step_from_json(item) for item in raw["steps"]),
        stall=tuple(Phase(*item) for item in raw["stall"]),
        warnings=tuple(raw["warnings"]),
    )


def _step_from_json(raw: dict[str, Any]) -> Step:
    return Step(
        name=raw["name"],
        says=raw["says"],
        check=expectation(raw["check"]),
        do=instruction(raw["do"]) if raw["do"] else None,
        undo=instruction(raw["undo"]) if raw["undo"] else None,
        undone=expectation(raw["undone"]),
        timeout_s=raw["timeout_s"],
        commits=raw["commits"],
        optional=raw["optional"],
        unconditional=raw["unconditional"],
    )
