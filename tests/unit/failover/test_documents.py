"""What people read is drawn from the table, and says all that the table and the views say."""

from pathlib import Path

import pytest

from failover.conditions import Condition
from failover.decide import History, Mode, Policy, decide
from failover.diagnosis import diagnose
from failover.diagram import render
from failover.events import Announcement
from failover.explain import explain
from failover.panel import Thresholds
from failover.proof.scenery import Health, Scene, picture
from failover.transitions import TABLE, Durability

GENERATED = Path(__file__).parents[3] / "docs" / "generated" / "orchestrator-table.md"


def test_the_generated_document_is_the_tables() -> None:
    assert GENERATED.read_text(encoding="utf-8") == render(), "python -m failover table > docs/generated/…"


def test_every_rule_and_every_condition_is_drawn() -> None:
    text = render()

    assert all(f"| {row.rule} |" in text and f": {row.rule}" in text for row in TABLE)
    assert all(condition in text for condition in Condition)


def told(scene: Scene, policy: Policy | None = None) -> str:
    seen = picture(scene)
    return explain(seen, decide(seen, diagnose(seen), History(), policy or Policy()))


def test_a_healthy_estate_is_explained_in_few_lines() -> None:
    text = told(Scene())

    assert "dc1-db1: REST answers, PostgreSQL answers, primary running (dc1-app1, dc1-app2" in text
    assert "leader key: dc1-db1, session 0x1" in text
    assert "[H-01] healthy" in text
    assert len(text.splitlines()) < 15


def test_an_observed_loss_is_explained_with_what_is_seen_and_why_nothing_is_done() -> None:
    text = told(Scene().with_site(Health.OFF, "dc1"), Policy(mode=Mode.OBSERVE))

    assert "stale, not counted: dc1-app1, dc1-app2" in text
    assert "dc1-db1: REST silent 5 times in a row over 1.5 s" in text
    assert "would fence host=dc1-db1" in text
    assert "mode: observe-only" in text


def test_a_ruling_travels_with_the_rules_it_was_judged_by() -> None:
    policy = Policy(Mode.OBSERVE, Durability.STRICT, anti_flap_s=60.0)
    told = Announcement(1.5, "wit-zk1", 7, policy, Thresholds(probes=4), ("[H-01] healthy",))

    assert Announcement.from_bytes(told.to_bytes()) == told


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'["an older version wrote only sentences"]'])
def test_what_is_no_announcement_says_so(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an announcement|Expecting"):
        Announcement.from_bytes(data)
