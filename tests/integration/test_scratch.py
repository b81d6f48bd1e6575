"""Where the tests' files lie, and that a killed run's do not lie there for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import scratch
from tests.architecture.checkout import CHECKOUT
from tests.scratch import GIB, MEMORY, Found

PLENTY = Found(writable=True, free=20 * GIB, memory=20 * GIB)
# Holds a directory and starts something in it that outlives it, as a server does; says where, and waits.
RUN = """
import subprocess, sys
from pathlib import Path
from tests import scratch
with scratch.held(Path(sys.argv[1])) as directory:
    left = subprocess.Popen(["sleep", "600"], cwd=directory, start_new_session=True, stdout=-3)
    print(directory, left.pid, flush=True)
    input()
    left.kill()
    left.wait()
"""


@pytest.mark.parametrize(
    "found",
    [
        Found(writable=False, free=20 * GIB, memory=20 * GIB),
        Found(writable=True, free=GIB // 16, memory=20 * GIB),  # as containers have it
        Found(writable=True, free=20 * GIB, memory=2 * GIB),
    ],
    ids=["not writable", "no room", "little memory"],
)
def test_files_lie_in_memory_only_where_there_is_room(found):
    assert scratch.place(PLENTY) == MEMORY
    assert scratch.place(found) == Path(tempfile.gettempdir())


def test_this_run_has_one_directory_for_its_tests_and_their_servers(tmp_path, postgres_server):
    own = Path(os.environ["TMPDIR"])
    assert own.name.startswith("twinsite-tests-")
    assert postgres_server.directory.parent == own == Path(tempfile.gettempdir())


@pytest.fixture
def run(tmp_path):
    """Another run under `tmp_path`: it, its directory, and the pid of what it started."""
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        directory, left = process.stdout.readline().split()
        yield process, Path(directory), int(left)
        process.stdin.close()


def test_a_run_removes_its_directory_and_keeps_it_until_then(run, tmp_path):
    process, directory, _ = run
    scratch.clear(tmp_path)
    assert directory.exists()
    process.communicate("\n")
    assert not directory.exists()


def test_what_a_killed_run_left_is_ended_and_removed(run, tmp_path):
    process, directory, left = run
    process.kill()
    process.wait()
    (directory / "data").mkdir()
    scratch.clear(tmp_path)
    assert not directory.exists()
    with pytest.raises(FileNotFoundError):  # it is gone, or dead and not yet waited for
        Path(f"/proc/{left}/cwd").readlink()
