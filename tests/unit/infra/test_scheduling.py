"""The groups by trees of plain files; tests/lab looks at the processes of a lab that is up."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra import scheduling


@pytest.fixture(params=["cpu", ""], ids=["version 1", "version 2"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the groups are made on a machine with one version or the other."""
    monkeypatch.setattr(scheduling, "_V1", tmp_path / "cpu")
    monkeypatch.setattr(scheduling, "_V2", tmp_path)
    root = tmp_path / request.param
    root.mkdir(exist_ok=True)
    (root / "cgroup.procs").touch()
    return root


def weight_of(group: Path) -> int:
    """In sessions beside the lab."""
    shares, weight = group / "cpu.shares", group / "cpu.weight"
    return int(shares.read_text()) // 1024 if shares.exists() else int(weight.read_text()) // 100


def test_tools_go_before_hosts_and_hosts_before_everything_else(tree: Path) -> None:
    scheduling.prepare()
    assert weight_of(tree / "twinsite-tools") > weight_of(tree / "twinsite") > 1


def test_a_tool_enters_its_group_and_keeps_its_arguments(tree: Path) -> None:
    argv = scheduling.as_tool(["printf", "%s|", "a b", "$c"])
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "a b|$c|"
    assert int((tree / "twinsite-tools" / "cgroup.procs").read_text()) > 1


def test_a_machine_without_the_scheduler_s_controller_runs_tools_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_V1", "_V2"):
        monkeypatch.setattr(scheduling, name, tmp_path / "absent")
    argv = scheduling.as_tool(["echo", "ran"])
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    assert (done.stdout, done.stderr) == ("ran\n", "")
    scheduling.remove()


def test_a_plain_directory_in_the_place_of_a_hierarchy_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "_V1", tmp_path / "absent")
    monkeypatch.setattr(scheduling, "_V2", tmp_path)
    subprocess.run(scheduling.as_tool(["true"]), check=True, timeout=300)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may go forward")
@pytest.mark.parametrize("tool_nice", [0, 2])
def test_neither_hosts_nor_tools_inherit_the_place_of_who_starts_them(tree: Path, tool_nice: int) -> None:
    hosts = ["sh", "-c", f"{scheduling.enter_hosts_command()}; nice"]
    tool = scheduling.as_tool(["nice"], tool_nice)
    for argv, expected in ((hosts, 0), (tool, tool_nice)):
        started = ["nice", "-n", "5", *argv]
        done = subprocess.run(started, capture_output=True, text=True, check=True, timeout=300)
        assert int(done.stdout) == expected


def test_what_is_prepared_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "_V1", tmp_path / "absent")
    monkeypatch.setattr(scheduling, "_V2", tmp_path)
    (tmp_path / "cgroup.procs").touch()
    monkeypatch.setattr(Path, "write_text", lambda *_: 0)  # the kernel's files go with their directory
    scheduling.prepare()
    assert (tmp_path / "twinsite").exists()
    scheduling.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["cgroup.procs"]
