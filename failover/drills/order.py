"""What an operator orders, and what is refused before anybody is asked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

from failover.drills.model import Estate
from failover.drills.scenarios import Scenario
from failover.drills.steps import StopOrchestrator


class DrillError(Exception):
    """The drill could not begin; nothing was broken. The text says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asked for. `directory` is made; where it exists, it must be empty.

    `disks`: where a lab's hosts keep theirs, `memory` or `disk`; empty on real servers, which have their own.
    `plain`: the orchestrator's agents are stopped for the drill, to see what Patroni does alone.
    """

    scenario: Scenario
    estate: Estate
    directory: Path
    profile: str
    seed: int
    synchronous_nodes: int = 2
    plain: bool = False
    disks: str = ""
    run_id: str = field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        if self.plain:
            conditions = (StopOrchestrator(), *self.scenario.conditions)
            object.__setattr__(self, "scenario", replace(self.scenario, conditions=conditions))

    def refuse_used_directory(self) -> None:
        """Raise `DrillError` when the directory holds something, whatever it is."""
        if not self.directory.exists():
            return
        if not self.directory.is_dir() or any(self.directory.iterdir()):
            raise DrillError(f"{self.directory} is not an empty directory; choose another for the report")
