"""One whole drill through the command line, on the provisioned lab: the main job, as `make drill` runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TWINSITE = str(Path(sys.executable).with_name("twinsite"))
DEADLINE_S = 900


@pytest.mark.drill
@pytest.mark.timeout(DEADLINE_S + 30)
def test_the_site_of_the_primary_is_lost_and_nothing_else(tmp_path):
    directory = tmp_path / "report"
    options = ["--load", "steady", "--report-dir", str(directory), "--json"]
    command = [TWINSITE, "drill", "run", "site-loss", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
    verdict = json.loads(done.stdout)
    assert verdict["reasons"] == []
    assert done.returncode == 0
    assert verdict["passed"]
    assert verdict["rpo"]["acknowledged"] > 0
    assert verdict["rpo"]["lost"] == verdict["rpo"]["duplicated"] == verdict["rpo"]["phantom"] == 0
    assert verdict["writers_max"] == 1
    assert json.loads((directory / "verdict.json").read_text()) == verdict
    for name in ("history.jsonl", "hosts.log", "report.html"):
        assert (directory / name).stat().st_size > 0, name
