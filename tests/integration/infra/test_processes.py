"""Killing what is found, until nothing is found any more."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from infra import processes


def _children(parent: int) -> set[int]:
    return {
        int(child)
        for task in Path(f"/proc/{parent}/task").glob("*/children")
        for child in task.read_text().split()
        if (Path("/proc") / child / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    }


def test_what_has_ended_meanwhile_is_no_error() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    processes.kill(process.pid)


def test_all_that_is_found_dies() -> None:
    started = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    ours = {each.pid for each in started}
    try:
        assert processes.kill_all(lambda: ours & _children(os.getpid()), deadline_s=20) == set()
    finally:
        codes = [each.wait(20) for each in started]
    assert codes == [-9] * 3


def test_what_survives_is_told() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert processes.kill_all(lambda: {process.pid}, deadline_s=0.2) == {process.pid}
