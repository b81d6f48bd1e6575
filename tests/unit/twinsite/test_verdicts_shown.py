import json

import pytest

from failover.drills.verdict import Rpo
from infra import paths
from twinsite.commands import drill, report


def rpo(lost):
    return Rpo(acknowledged=9, lost=lost, duplicated=lost, phantom=lost, unknown=0)


def test_fates_are_counted_or_said_to_be_unknown():
    assert drill._fates(rpo(0)) == "0 / 0 / 0"
    assert drill._fates(rpo(None)) == "not compared"


@pytest.mark.parametrize(("lost", "shown"), [(0, " 0"), (None, "not compared")])
def test_the_list_of_reports_tells_what_was_not_compared(lost, shown, monkeypatch, tmp_path, capfd):
    (tmp_path / "one").mkdir()
    verdict = {"scenario": "site-loss", "passed": False, "rto_s": None, "rpo": {"lost": lost}}
    (tmp_path / "one" / "verdict.json").write_text(json.dumps(verdict))
    monkeypatch.setattr(paths, "reports", lambda: tmp_path)
    report.list_reports()
    assert capfd.readouterr().out.rstrip().endswith(shown)
