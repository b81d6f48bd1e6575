"""What failed among others is tried once more alone; a promise of safety never is."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import CHECKOUT
from tests.second_look import MOST, NEVER_AGAIN, TOLD

HOOKS = "from tests.conftest import pytest_addoption, pytest_configure, pytest_unconfigure\n"
# Fails the first time only.
ONCE = """
from pathlib import Path
import pytest

def once(name):
    first = not Path(name).exists()
    Path(name).touch()
    assert not first

def test_by_accident():
    once("accident")

@pytest.mark.safety
def test_promise():
    once("promise")

def test_sound():
    pass
"""
BROKEN = """
import pytest

@pytest.mark.parametrize("number", range({many}))
def test_broken(number):
    assert not 1
"""


@pytest.fixture
def twice(tmp_path):
    """The tests in `source`, run and looked at again: exit status, output, and what passed alone."""

    def run(source: str) -> tuple[int, str, list[str]]:
        (tmp_path / "conftest.py").write_text(HOOKS)
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    safety\n    lab\n")
        (tmp_path / "test_it.py").write_text(source)
        assert _pytest(tmp_path).returncode == 1
        notes = tmp_path / "elsewhere" / "notes"  # where pytest would look for a conftest.py in vain
        notes.parent.mkdir()
        again = _pytest(tmp_path, *_as_the_script_calls_it(notes))
        return again.returncode, again.stdout, notes.read_text().split() if notes.exists() else []

    return run


def _as_the_script_calls_it(notes: Path) -> list[str]:
    """The arguments of the second call of pytest in scripts/test (seen: one that pytest did not take)."""
    script = (CHECKOUT / "scripts" / "test").read_text()
    (call,) = re.findall(r"pytest (--last-failed .*?) \|\|", script)
    values = {"$passed_alone": str(notes), "$chosen": "not lab"}
    return [re.sub(r"\$\w+", lambda name: values[name[0]], each) for each in shlex.split(call)]


def _pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_an_accident_passes_alone_and_is_told_and_a_broken_promise_stays_broken(twice):
    status, said, passed = twice(ONCE)
    assert (status, passed) == (1, ["test_it.py::test_by_accident"])
    assert f"{TOLD}: test_it.py::test_by_accident" in said
    assert NEVER_AGAIN in said
    assert "test_sound" not in said


def test_an_accident_alone_ends_well(twice):
    status, _, passed = twice(ONCE.replace("@pytest.mark.safety\n", ""))
    assert (status, len(passed)) == (0, 2)


def test_what_is_broken_fails_both_times(twice):
    assert twice(BROKEN.format(many=1))[::2] == (1, [])


def test_many_failures_are_no_accident_and_cost_no_second_run(twice):
    status, said, passed = twice(BROKEN.format(many=MOST + 1))
    assert (status, passed) == (1, [])
    assert "none is tried again" in said
