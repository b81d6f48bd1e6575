"""A wrong name is refused before anything else is asked for: root, the lab, a report directory."""

import pytest

from infra import paths
from twinsite import cli
from twinsite.drilling import named
from twinsite.outcome import CannotError


@pytest.fixture
def refused(monkeypatch, tmp_path, capfd):
    """Runs a command that must end with status 3, as a user who may do nothing; tells standard error."""
    monkeypatch.setenv("TWINSITE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(paths, "reports", lambda: tmp_path / "reports")

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["twinsite", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 3
        assert not (tmp_path / "reports").exists()
        return " ".join(capfd.readouterr().err.split())

    return run


def test_a_wrong_drill(refused):
    assert "no drill is called 'site-los'; did you mean site-loss?" in refused("drill", "run", "site-los")


def test_a_wrong_load_of_a_drill(refused):
    said = refused("drill", "run", "site-loss", "--load", "stedy")
    assert "no load profile is called 'stedy'; did you mean steady?" in said


def test_a_wrong_load(refused):
    assert "known: smoke, steady, peak" in refused("load", "run", "foo")


def test_what_is_known_is_found():
    assert named("letter", "b", {"a": 1, "b": 2}) == 2
    with pytest.raises(CannotError, match="no letter is called 'x'; known: a, b"):
        named("letter", "x", {"a": 1, "b": 2})
