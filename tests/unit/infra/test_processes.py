from __future__ import annotations

from pathlib import Path

import pytest

from infra import processes


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    return tmp_path


def running(proc: Path, pid: int, name: str, started: int, state: str = "S") -> int:
    (proc / str(pid)).mkdir()
    fields = [state, *["0"] * 18, str(started), "1", "2"]
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
    return pid


def test_the_oldest_is_by_its_start_not_by_its_number(proc: Path) -> None:
    pids = [running(proc, 5, "postgres", 900), running(proc, 70, "postgres", 100), running(proc, 3, "sh", 1)]
    assert processes.oldest(pids, "postgres") == 70
    assert processes.oldest(pids[:1], "postgres") == 5
    assert processes.oldest(pids, "java") is None


def test_names_are_as_the_kernel_has_them(proc: Path) -> None:
    pids = [running(proc, 5, "a) (b", 1), running(proc, 6, "twinsite-agent-", 2)]
    assert processes.oldest(pids, "a) (b") == 5
    assert processes.oldest(pids, "twinsite-agent-proper") == 6


def test_the_dead_and_the_gone_do_not_count(proc: Path) -> None:
    assert processes.oldest([running(proc, 5, "postgres", 1, state="Z"), 6], "postgres") is None
