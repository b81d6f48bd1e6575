import json

import pytest

from failover.drills.verdict import CardTransactions, Rpo, Throughput
from infra import paths
from twinsite.commands import drill, report


def rpo(lost):
    return Rpo(acknowledged=9, lost=lost, duplicated=lost, phantom=lost, unknown=0)


def test_fates_are_counted_or_said_to_be_unknown():
    assert drill._fates(rpo(0)) == "0 / 0 / 0"
    assert drill._fates(rpo(None)) == "not compared"


def test_card_transactions_are_told_with_their_rates():
    found = CardTransactions(90_150, Throughput(1034.6, 12.0, None))
    assert drill._fed(found) == "90,150 (1,035 a second before the fault, not seen after the recovery)"


@pytest.mark.parametrize(("lost", "shown"), [(0, " 0"), (None, "not compared")])
def test_the_list_of_reports_tells_what_was_not_compared(lost, shown, monkeypatch, tmp_path, capfd):
    (tmp_path / "one").mkdir()
    verdict = {"scenario": "site-loss", "passed": False, "rto_s": None, "rpo": {"lost": lost}}
    (tmp_path / "one" / "verdict.json").write_text(json.dumps(verdict))
    monkeypatch.setattr(paths, "reports", lambda: tmp_path)
    report.list_reports()
    assert capfd.readouterr().out.rstrip().endswith(shown)
