"""Drills through the command line on the provisioned lab, as an operator runs them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

TWINSITE = str(Path(sys.executable).with_name("twinsite"))
# Longer than every deadline of a drill together: its own words are better than the end by this one.
DEADLINE_S = 1200
STATUS_DEADLINE_S = 240


@dataclass(frozen=True)
class Drilled:
    """What a drill left: its exit status, what it printed, and its directory."""

    status: int
    verdict: dict
    directory: Path

    @property
    def all_checks(self) -> set[str]:
        return {check["name"] for check in self.verdict["checks"]}

    @property
    def failed_checks(self) -> set[str]:
        return {check["name"] for check in self.verdict["checks"] if not check["passed"]}


@pytest.fixture
def drilled(tmp_path):
    """Run one drill to its end."""

    def run(name: str, load: str) -> Drilled:
        directory = tmp_path / "report"
        options = ["--load", load, "--report-dir", str(directory), "--json"]
        command = [TWINSITE, "drill", "run", name, *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
        assert done.stdout, f"no verdict, exit status {done.returncode}; why stands in standard error"
        return Drilled(done.returncode, json.loads(done.stdout), directory)

    return run


@pytest.fixture
def status_now():
    """What `twinsite status --json` says, waiting for health."""

    def ask() -> dict:
        command = [TWINSITE, "status", "--json", "--wait", "120"]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=STATUS_DEADLINE_S, check=False
        )
        return json.loads(done.stdout)

    return ask
