"""Many verdicts as one table: each drill, with and without an orchestrator that acts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

HEAD = (
    "| drill | orchestrator | runs | passed | service back, s: median / worst "
    "| longest pause of writes, s: median / worst | acknowledged writes "
    "| lost, doubled, phantom | writers at once |\n|" + "---|" * 9
)


@dataclass(frozen=True, slots=True)
class Run:
    """What the table takes of one verdict. Seconds; None where the drill saw no figure."""

    scenario: str
    orchestrator: str
    passed: bool
    rto_s: float | None
    stall_s: float | None
    acknowledged: int
    untrue: int | None
    writers: int

    @classmethod
    def of(cls, verdict: Mapping[str, Any]) -> Self:
        """Read `verdict.json`; one from before there was an orchestrator tells of plain Patroni."""
        rpo = verdict["rpo"]
        fates = [rpo[fate] for fate in ("lost", "duplicated", "phantom")]
        return cls(
            scenario=verdict["scenario"],
            orchestrator=verdict.get("orchestrator", "stopped"),
            passed=verdict["passed"],
            rto_s=verdict["rto_s"],
            stall_s=verdict["write_stall_max_s"],
            acknowledged=rpo["acknowledged"],
            untrue=None if None in fates else sum(fates),
            writers=verdict["writers_max"],
        )


def table(runs: Iterable[Run]) -> str:
    """Return the runs as Markdown, a line for each drill and mode, in the order of their first runs."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.scenario, run.orchestrator].append(run)
    return "\n".join((HEAD, *(_line(*key, group) for key, group in groups.items()))) + "\n"


def _line(scenario: str, orchestrator: str, runs: list[Run]) -> str:
    compared = all(run.untrue is not None for run in runs)
    cells = (
        f"`{scenario}`",
        orchestrator,
        len(runs),
        sum(run.passed for run in runs),
        _spread([run.rto_s for run in runs]),
        _spread([run.stall_s for run in runs]),
        f"{sum(run.acknowledged for run in runs):,}",
        sum(run.untrue or 0 for run in runs) if compared else "not compared",
        max(run.writers for run in runs),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _spread(figures: list[float | None]) -> str:
    """A run without a figure is worse than any: it never came back."""
    seen = [figure for figure in figures if figure is not None]
    if len(seen) < len(figures):
        return f"{len(figures) - len(seen)} never"
    return f"{median(seen):.2f} / {max(seen):.2f}"
