"""Operations as data: a plan is a list of steps, each declaring do, undo and check together.

A plan can be printed before it runs, stored in the journal while it runs, and read back by a successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Any

from failover.verbs import ALWAYS, Expectation, Instruction, expectation, instruction, to_json


class Operation(StrEnum):
    """The kinds of operations an estate knows."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"
    AUTOMATIC = "automatic"
    MAINTENANCE_START = "maintenance-start"
    MAINTENANCE_END = "maintenance-end"
    RETURN = "return"
    FAILBACK = "failback"
    RECOVER_QUORUM = "recover-quorum"


@dataclass(frozen=True)
class Step:
    """One step. `check` says whether its purpose is reached; what is reached already is not done again.

    `commits`: from the intent of this step on there is no way back, a successor goes forward. `optional`:
    if it fails, the plan goes on and says so. `do` None: nothing to do but wait for the check.
    `unconditional`: done whatever the check says before. `again_s`: asked for again at this interval until
    the check holds; 0: once. `follows_at_once`: its intent is recorded with that of the step before, as
    clients wait for each write of the journal.
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
    again_s: float = 0.0
    follows_at_once: bool = False


@dataclass(frozen=True)
class Phase:
    """A part of the expected stall of writes, in seconds, and what it was computed from."""

    name: str
    seconds: float
    basis: str


@dataclass(frozen=True)
class Stall:
    """For how long writes are expected to wait, part by part.

    `worst_s`: with the steps of the slowest switch known instead of the usual ones. `source`: where the times
    of the steps come from.
    """

    phases: tuple[Phase, ...]
    worst_s: float
    source: str

    @property
    def seconds(self) -> float:
        return sum(phase.seconds for phase in self.phases)

    def describe(self) -> list[str]:
        head = (
            f"  expected stall of writes: {self.seconds:.2f} s, at worst {self.worst_s:.2f} s; {self.source}"
        )
        return [
            head,
            *(f"     {phase.name}: {phase.seconds:.2f} s ({phase.basis})" for phase in self.phases),
        ]


@dataclass(frozen=True)
class Plan:
    """What will be done, in order. Step names are unique within a plan."""

    operation: Operation
    title: str
    steps: tuple[Step, ...]
    stall: Stall | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError(f"step names repeat in {self.title}: {names}")
        for step in self.steps:
            if step.follows_at_once and step.commits:
                raise ValueError(f"{step.name} has no way back: its intent must not be recorded early")

    def step(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)

    def at_once_after(self, step: Step) -> tuple[Step, ...]:
        """Those whose intent is recorded with that of this one."""
        later = self.steps[self.steps.index(step) + 1 :]
        return tuple(takewhile(lambda each: each.follows_at_once, later))

    def describe(self) -> str:
        """The plan as an operator reads it before it is executed."""
        lines = [self.title, *(f"  ! {warning}" for warning in self.warnings)]
        for number, step in enumerate(self.steps, 1):
            lines.append(f"  {number}. {step.says}")
            lines.append(f"     until {step.check}, at most {step.timeout_s:g} s; {_way_back(step)}")
        if self.stall:
            lines.extend(self.stall.describe())
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
        **_stall_to_json(plan.stall),
        "steps": [_step_to_json(step) for step in plan.steps],
    }


def _stall_to_json(stall: Stall | None) -> dict[str, Any]:
    """Beside each other, not nested: an agent of the release before reads the phases alone."""
    if stall is None:
        return {"stall": []}
    return {
        "stall": [[phase.name, phase.seconds, phase.basis] for phase in stall.phases],
        "stall_s": stall.seconds,
        "stall_worst_s": stall.worst_s,
        "stall_source": stall.source,
    }


def _stall_from_json(raw: dict[str, Any]) -> Stall | None:
    """The release before knew the phases only."""
    phases = tuple(Phase(*item) for item in raw["stall"])
    if not phases:
        return None
    usual = sum(phase.seconds for phase in phases)
    return Stall(
        phases, raw.get("stall_worst_s", usual), raw.get("stall_source", "computed by an older release")
    )


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
        "again_s": step.again_s,
        "follows_at_once": step.follows_at_once,
    }


def plan_from_json(raw: dict[str, Any]) -> Plan:
    return Plan(
        operation=Operation(raw["operation"]),
        title=raw["title"],
        steps=tuple(_step_from_json(item) for item in raw["steps"]),
        stall=_stall_from_json(raw),
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
        again_s=raw.get("again_s", 0.0),  # plans of older versions have neither
        follows_at_once=raw.get("follows_at_once", False),
    )
