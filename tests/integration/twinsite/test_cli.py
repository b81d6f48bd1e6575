"""The command line as a user meets it, on a machine whose lab is down."""

import json
import os

import pytest

from twinsite import cli


@pytest.fixture
def twinsite(monkeypatch, tmp_path, capfd):
    """Runs a command against an empty TWINSITE_HOME; tells exit status, standard output and error."""
    monkeypatch.setenv("TWINSITE_HOME", str(tmp_path))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["twinsite", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_help_tells_the_exit_statuses(twinsite):
    status, out, _ = twinsite("--help")
    assert status == 0
    assert "Exit status" in out


@pytest.mark.parametrize("command", [["status"], ["switchover", "--to", "dc2"], ["provision"], ["psql"]])
def test_a_lab_that_is_down_is_said_with_what_helps(twinsite, command):
    status, out, err = twinsite(*command)
    assert status == 2
    assert "make up" in err
    assert out == ""


def test_status_for_programs_says_down_too(twinsite):
    status, out, _ = twinsite("status", "--json")
    assert status == 2
    assert json.loads(out)["health"] == "down"


def test_a_wrong_host_name_gets_the_nearest_ones(twinsite):
    status, _, err = twinsite("lab", "ssh", "dc1-db9")
    assert status == 3
    assert "did you mean" in err
    assert "dc1-db1" in err


def test_a_wrong_inventory_is_said(twinsite, tmp_path):
    status, _, err = twinsite("--inventory", str(tmp_path / "nowhere"), "status")
    assert status == 3
    assert "does not exist" in err


def test_the_lab_says_that_it_is_down(twinsite):
    status, out, _ = twinsite("lab", "status")
    assert status == 2
    assert "down" in out


def test_without_root_the_lab_cannot_be_booted(twinsite, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    status, _, err = twinsite("lab", "up")
    assert status == 4
    assert "root" in err


def test_a_secret_that_was_never_made(twinsite):
    status, _, err = twinsite("secrets", "show", "monitor_password")
    assert status == 3
    assert "does not exist" in err


def test_a_report_that_is_not_there(twinsite):
    status, _, err = twinsite("report", "open", "no-such-report")
    assert status == 3
    assert "report" in err


@pytest.mark.parametrize("command", ["explain", "events"])
def test_the_orchestrator_of_a_lab_that_is_down(twinsite, command):
    status, _, err = twinsite(command)
    assert status == 2
    assert "down" in err
