"""The kernel's own freezer of cgroup version 2, also where hybrid machines mount it beside version 1."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import cgroups, processes

_HIERARCHIES = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_DEADLINE_S = 20.0
# Something that is seen to run: a line every hundredth of a second, for a minute at most.
_TICK = 'for _ in $(seq 6000); do echo >> "$0"; sleep 0.01; done'


@pytest.fixture
def ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that a process of the host `t-host` writes to."""
    mounted = [root for root in _HIERARCHIES if (root / "cgroup.controllers").exists()]
    if os.geteuid() != 0 or not mounted:
        pytest.skip("needs root and a machine with cgroup version 2")
    monkeypatch.setattr(cgroups, "_V1", Path("/nonexistent"))
    monkeypatch.setattr(cgroups, "_V2", mounted[0])
    monkeypatch.setattr(cgroups, "_GROUP", f"twinsite-test-{os.getpid()}")
    cgroups.make("t-host")
    file = tmp_path / "ticks"
    file.touch()
    enter = f'{cgroups.enter_command("t-host")} && exec sh -c "$0" "$1"'
    process = subprocess.Popen(["sh", "-c", enter, _TICK, file])
    try:
        yield file
    finally:
        for pid in cgroups.processes("t-host"):
            processes.kill(pid)
        process.wait(_DEADLINE_S)
        until(lambda: not cgroups.processes("t-host"))
        cgroups.remove_all()
        assert not cgroups.group_of("t-host").exists()


def until(reached) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def goes_on(ticks: Path) -> None:
    before = ticks.stat().st_size
    until(lambda: ticks.stat().st_size > before + 3)


def test_a_frozen_host_stands_still_and_runs_on_where_it_stood(ticks: Path) -> None:
    goes_on(ticks)
    assert not cgroups.is_frozen("t-host")
    cgroups.freeze("t-host")
    assert cgroups.is_frozen("t-host")
    stood = ticks.stat().st_size
    time.sleep(0.3)
    assert ticks.stat().st_size == stood
    cgroups.thaw("t-host")
    assert not cgroups.is_frozen("t-host")
    goes_on(ticks)


def test_a_frozen_host_can_lose_power(ticks: Path) -> None:
    """With version 2, unlike version 1, the frozen die of SIGKILL (cgroup-v2.rst, cgroup.freeze)."""
    goes_on(ticks)
    cgroups.freeze("t-host")
    for pid in cgroups.processes("t-host"):
        processes.kill(pid)
    until(lambda: not cgroups.processes("t-host"))
