"""Killing what is found, until nothing is found any more."""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra import processes


def test_what_has_ended_meanwhile_is_no_error() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    processes.kill(process.pid)


def test_all_that_is_found_dies() -> None:
    started = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    try:
        running = lambda: {each.pid for each in started if each.poll() is None}  # noqa: E731
        assert processes.kill_all(running, deadline_s=20) == set()
    finally:
        codes = [each.wait(20) for each in started]
    assert codes == [-9] * 3


def test_what_survives_is_told() -> None:
    with subprocess.Popen(["true"]) as process:  # not waited for yet: the number is nobody else's
        assert processes.kill_all(lambda: {process.pid}, deadline_s=0.2) == {process.pid}


def test_what_has_left_its_group_and_still_ends_is_waited_for() -> None:
    """As a cgroup's list does: nothing is found of it from the first signal on."""
    with subprocess.Popen(["sleep", "60"]) as process:
        found = iter([{process.pid}])
        assert processes.kill_all(lambda: next(found, set()), deadline_s=20) == set()
        assert Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
