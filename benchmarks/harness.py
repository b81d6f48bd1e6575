"""Figures with their spread, their limit measured in the same run, and the machine they were made on."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Better(StrEnum):
    """Which way a figure is better; the worst run is the one at the other end."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class MachineDescription:
    """What a figure was measured on; without it a figure says nothing."""

    cores: int
    memory_gib: float
    kernel: str
    cpu: str
    load_1min: float


@dataclass(frozen=True)
class Figure:
    """One line of `reports/bench.json`.

    `value` is the median again, for readers that want one number. `limit` is what the same work costs at the
    least on this machine, measured in the same run and unit (none where nothing bounds it); `ratio` is
    value / limit.
    """

    name: str
    value: float
    unit: str
    median: float
    worst: float
    runs: int
    limit: float | None
    ratio: float | None
    machine: MachineDescription


def describe_machine() -> MachineDescription:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    cores = os.cpu_count() or 1
    return MachineDescription(
        cores, round(pages * size / 2**30, 1), platform.release(), cpu, os.getloadavg()[0]
    )


def figure(
    name: str,
    unit: str,
    samples: Sequence[float],
    *,
    better: Better,
    limit_samples: Sequence[float] = (),
) -> Figure:
    """Sum up the runs of one measurement, beside the runs of its limit.

    Raises:
        ValueError: no sample.
    """
    if not samples:
        raise ValueError(f"{name}: no run succeeded, so there is no figure")
    median = statistics.median(samples)
    limit = statistics.median(limit_samples) if limit_samples else None
    return Figure(
        name=name,
        value=median,
        unit=unit,
        median=median,
        worst=min(samples) if better is Better.HIGHER else max(samples),
        runs=len(samples),
        limit=limit,
        ratio=round(median / limit, 4) if limit else None,
        machine=describe_machine(),
    )


def alternating(runs: int, *measured: Callable[[], T]) -> tuple[list[T], ...]:
    """Run several measurements in turn, so that a noisy minute hurts all of them alike."""
    samples: tuple[list[T], ...] = tuple([] for _ in measured)
    for _ in range(runs):
        for kept, measure in zip(samples, measured, strict=True):
            kept.append(measure())
    return samples


def write(figures: Sequence[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(entry) for entry in figures], indent=2) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table for people and for the docs."""
    columns = ("what", "median", "worst", "unit", "limit in the same run", "ratio", "runs")
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    return head + "".join(
        f"| {f.name} | {f.median:,.1f} | {f.worst:,.1f} | {f.unit} | "
        f"{f'{f.limit:,.1f}' if f.limit else '–'} | {f'{f.ratio:.0%}' if f.ratio else '–'} | {f.runs} |\n"
        for f in figures
    )
