from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.harness import Better, alternating, figure, table, write


def test_the_worst_of_a_throughput_is_the_lowest_and_of_a_latency_the_highest() -> None:
    assert figure("reads", "1/s", [5, 9, 7], better=Better.HIGHER).worst == 5
    assert figure("p99", "ms", [5, 9, 7], better=Better.LOWER).worst == 9


def test_a_ratio_is_to_the_limit_of_the_same_run() -> None:
    made = figure("reads", "1/s", [60, 50, 70], better=Better.HIGHER, limit_samples=[100, 120, 80])
    assert (made.median, made.limit, made.ratio) == (60, 100, 0.6)


def test_without_a_limit_there_is_no_ratio() -> None:
    assert figure("reads", "1/s", [1], better=Better.HIGHER).ratio is None


def test_no_sample_is_no_figure() -> None:
    with pytest.raises(ValueError, match="reads: no run succeeded"):
        figure("reads", "1/s", [], better=Better.HIGHER)


def test_measurements_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    first, second = alternating(2, lambda: measure("a"), lambda: measure("b"))
    assert order == ["a", "b", "a", "b"]
    assert (first, second) == ([1, 3], [2, 4])


def test_the_file_holds_the_fields_that_programs_read(tmp_path: Path) -> None:
    made = figure("reads", "1/s", [1, 2, 3], better=Better.HIGHER, limit_samples=[4])
    write([made], tmp_path / "bench.json")
    (entry,) = json.loads((tmp_path / "bench.json").read_text())
    assert set(entry) == {"name", "value", "unit", "median", "worst", "runs", "limit", "ratio", "machine"}
    assert entry == asdict(made)
    assert "| reads | 2.0 | 1.0 | 1/s | 4.0 | 50% | 3 |" in table([made])
