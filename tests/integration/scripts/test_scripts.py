"""The scripts as they run, in a copy of the checkout whose tools are stand-ins that note their calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
TOOLS = ("ruff", "mypy", "ansible-lint", "pytest", "twinsite")
# Each writes down its call, and fails when the file `fails` names the beginning of it.
TOOL = """#!/bin/sh
call="$(basename "$0") $*"
echo "$call" >> "$CALLS/calls"
while read -r each; do case "$call" in "$each"*) failing=1 ;; esac; done < "$CALLS/fails"
[ "$(basename "$0")" != pytest ] || {
    [ -n "$failing" ] && word=failed || word=passed
    for each; do
        case "$each" in --second-look=*) echo tests/test_it.py::test_it > "${each#*=}" ;; esac
    done
    echo "===== 1 $word in 0.1s ====="
}
exit ${failing:-0}
"""
# Of `python -m pip install` as many calls fail as told.
PIP = """[ "$2" = pip ] || exit 0
echo pip >> "$CALLS/calls"
[ "$(grep -c pip "$CALLS/calls")" -gt {failures} ]"""
# Nothing is installed, nobody is root unless the test says so, and no lab is up.
DOWN = "twinsite lab status"
SECOND_LOOK = "pytest --last-failed"


class Copy:
    def __init__(self, root: Path) -> None:
        self.root = root

    def run(
        self, *argv: str, fails: tuple[str, ...] = (DOWN,), uid: int = 0
    ) -> subprocess.CompletedProcess[str]:
        (self.root / "fails").write_text("".join(f"{line}\n" for line in fails))
        (self.root / "calls").write_text("")
        environment = {
            **os.environ,
            "CALLS": str(self.root),
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "FAKE_UID": str(uid),
            "TWINSITE_HOME": str(self.root / "home"),
        }
        return subprocess.run(
            argv, cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    for name in ("scripts", ".ci"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    (tmp_path / "scripts" / "bootstrap").write_text("#!/bin/sh\nexit 0\n")
    for place, names, script in (
        (".venv/bin", TOOLS, TOOL),
        ("bin", ("id",), '#!/bin/sh\necho "$FAKE_UID"\n'),
    ):
        (tmp_path / place).mkdir(parents=True)
        for name in names:
            (tmp_path / place / name).write_text(script)
            (tmp_path / place / name).chmod(0o755)
    return Copy(tmp_path)


def summary(text: str) -> dict[str, str]:
    """Stage -> how it ended, from the lines after `done:`."""
    lines = [line.partition("] ")[2] for line in text.partition("done:")[2].splitlines()[1:]]
    return {line.split()[0]: " ".join(line.split()[1:-2]) for line in lines}


def test_all_stages_pass(copy):
    done = copy.run("scripts/test")
    assert done.returncode == 0, done.stderr
    assert summary(done.stderr) == dict.fromkeys(("lint", "unit", "lab", "drill"), "passed")
    assert copy.calls.index("pytest -m bare") < copy.calls.index("twinsite lab up")


def test_a_failed_stage_is_told_at_the_end_and_keeps_none_from_being_run(copy):
    done = copy.run("scripts/test", fails=(DOWN, "ruff check", "pytest -n auto", SECOND_LOOK))
    assert done.returncode == 1
    stages = {"lint": "FAILED", "unit": "FAILED", "lab": "passed", "drill": "passed"}
    assert stages.items() <= summary(done.stderr).items()
    assert "mypy " in copy.calls
    assert "pytest -m drill" in copy.calls


def test_what_passes_alone_after_the_parallel_run_passes_and_is_told(copy):
    done = copy.run("scripts/test", "unit", fails=("pytest -n auto",))
    assert done.returncode == 0
    assert summary(done.stderr)["unit"] == "passed"
    assert done.stderr.endswith("failed in the parallel run, passed alone: tests/test_it.py::test_it\n")


def test_nothing_is_tried_again_that_passed(copy):
    copy.run("scripts/test", "unit", fails=())
    assert [call for call in copy.calls if call.startswith(SECOND_LOOK)] == []


@pytest.mark.parametrize("step", ["twinsite lab up", "twinsite provision", "twinsite status"])
def test_without_a_lab_there_is_no_drill(copy, step):
    done = copy.run("scripts/test", fails=(DOWN, step))
    assert done.returncode == 1
    assert summary(done.stderr) == {"lint": "passed", "unit": "passed", "lab": "FAILED", "drill": "not run"}
    assert "pytest -m lab" not in copy.calls
    assert "pytest -m drill" not in copy.calls


def test_a_failed_lab_test_does_not_keep_the_drill_from_being_run(copy):
    done = copy.run("scripts/test", fails=(DOWN, "pytest -m lab", "pytest -m bare"))
    assert summary(done.stderr)["lab"] == "FAILED"
    assert summary(done.stderr)["drill"] == "passed"
    assert {"pytest -m lab", "pytest -m drill"} <= set(copy.calls)


def test_nobodys_lab_is_taken_away_for_a_test(copy):
    done = copy.run("scripts/test", "lab", fails=())
    assert done.returncode == 0
    assert "pytest -m bare" not in copy.calls


def test_who_is_not_root_runs_what_needs_no_root(copy):
    done = copy.run("scripts/test", uid=1000)
    assert summary(done.stderr) == {"lint": "passed", "unit": "passed"}


def test_an_unknown_stage_is_refused_before_anything_runs(copy):
    done = copy.run("scripts/test", "unit", "units")
    assert (done.returncode, copy.calls) == (2, [])


@pytest.mark.parametrize(
    ("failing", "status", "closing"), [((), 0, "passed"), (("pytest -m lab",), 2, "failed")]
)
def test_the_whole_test_clears_leftovers_first_and_closes_with_the_last_words_of_pytest(
    copy, failing, status, closing
):
    done = copy.run(".ci/run", fails=(DOWN, *failing))
    assert done.returncode == status, done.stderr
    assert copy.calls[0] == copy.calls[-1] == "twinsite lab down"
    last = done.stdout.splitlines()[-3:]
    assert [line for line in last if line.startswith("=====")] == last
    assert any(closing in line for line in last)


def test_pip_keeps_its_warnings_to_itself_and_tells_its_errors(tmp_path):
    """As scripts/bootstrap calls it: a bad setting of the machine is quiet, a missing package is not."""
    bootstrap = (CHECKOUT / "scripts" / "bootstrap").read_text()
    flags = {
        line.split("pip install ")[1].split()[0] for line in bootstrap.splitlines() if "pip install" in line
    }
    assert flags == {"-qq"}
    pip = [sys.executable, "-m", "pip", "install", *flags, "--disable-pip-version-check", "--no-index"]
    absent = ["--find-links", str(tmp_path / "absent"), "no-such-package-of-twinsite"]
    done = subprocess.run([*pip, *absent], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode != 0
    assert "ERROR: No matching distribution found" in done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@pytest.mark.parametrize(("failures", "status"), [(2, 0), (3, 3)])
def test_a_download_that_breaks_off_is_tried_again_and_not_for_ever(copy, failures, status):
    shutil.copy(CHECKOUT / "scripts" / "bootstrap", copy.root / "scripts")
    (copy.root / "locks").mkdir()
    for name in ("locks/operator.txt", "pyproject.toml"):
        (copy.root / name).touch()
    tools = {
        "bin/dpkg-query": "echo installed",
        "bin/sleep": 'echo "sleep $1" >> "$CALLS/calls"',
        ".venv/bin/python": PIP.format(failures=failures),
    }
    for name, script in tools.items():
        (copy.root / name).write_text(f"#!/bin/sh\n{script}\n")
        (copy.root / name).chmod(0o755)
    done = copy.run("scripts/bootstrap")
    assert done.returncode == status, done.stderr
    assert copy.calls.count("pip") == (3 if status else 4)  # the checkout itself is installed, too
    assert [call for call in copy.calls if call.startswith("sleep")] == ["sleep 5", "sleep 20"]
