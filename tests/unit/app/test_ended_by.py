"""A program that ends unforeseen leaves one line, under systemd as anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import failover.__main__ as orchestrator
from app import cli

WAIT_SECONDS = 120.0


def _fall() -> None:
    raise ValueError("of a card\n4000001234567899") from OSError("no space")


def test_a_program_of_the_crm_tells_in_one_line_of_json_what_ended_it(monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", _fall)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    told = json.loads(line)
    assert out == ""
    assert (told["level"], told["event"], told["type"]) == ("critical", "ended by an error", "ValueError")
    assert told["error"].startswith("of a card\n")
    assert "4000001234567899" not in line
    assert told["cause"] == "OSError('no space')"
    assert told["at"][0].endswith("_fall")
    assert __file__ in told["at"][0]


def test_a_program_of_the_orchestrator_tells_in_one_line_what_ended_it(monkeypatch, capsys):
    monkeypatch.setattr(orchestrator, "cli", _fall)
    with pytest.raises(SystemExit) as ended:
        orchestrator.main()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("CRITICAL ended by ValueError: of a card")
    assert f" at {__file__}:" in line


@pytest.mark.parametrize("command", [("app", "import-worker"), ("app", "worker"), ("app", "mail-intake")])
def test_a_unit_that_cannot_begin_says_why_in_one_line(command):
    """As systemd starts it; here without the settings that it needs."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CRM_")}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=bare,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "database_url" in json.loads(line)["error"]


@pytest.mark.parametrize("programs", [cli.app, orchestrator.cli])
def test_typer_leaves_exceptions_alone(programs):
    """Its own way is a traceback in colours, with a library loaded for it."""
    assert not programs.pretty_exceptions_enable
