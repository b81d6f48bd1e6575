import io
from dataclasses import replace

from rich.console import Console

from failover.word_of_office import Rule
from tests.unit.failover.observe.estates import SILENT, healthy, silent, with_database
from twinsite.screen import status_screen


def shown(view):
    console = Console(file=io.StringIO(), width=140)
    console.print(status_screen(view))
    return console.file.getvalue()


def test_a_healthy_estate_names_what_matters():
    text = shown(healthy())
    assert "HEALTHY" in text
    assert "primary dc1-db1 (dc1), timeline 3, synchronous: dc1-db2, dc2-db1" in text
    for name in ("dc2-db2", "dc2-app1", "wit-zk1", "potential", "leader key: dc1-db1, session 0x1000012"):
        assert name in text


def test_problems_stand_below_with_their_subject():
    text = shown(with_database(healthy(), "dc2-db2", postgres=SILENT))
    assert "DEGRADED" in text
    assert "PostgreSQL: no answer within 3 s" in text


def test_silence_says_what_helps():
    assert "nothing answers; `twinsite provision`" in shown(silent())


def test_who_rules_and_how_is_said():
    view = healthy()
    ruled = replace(view.coordination, rule=Rule("wit-zk1", "observe-only", "strict"))
    assert "no agent has ruled yet" in shown(view)
    assert "orchestrator observe-only (wit-zk1), durability strict" in shown(
        replace(view, coordination=ruled)
    )
