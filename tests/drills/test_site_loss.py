"""The main job, as `make drill` runs it, and the proof that its checker can fail."""

import json

import pytest


@pytest.mark.drill
def test_the_site_of_the_primary_is_lost_and_nothing_else(drilled):
    done = drilled("site-loss", "steady")
    verdict = done.verdict
    assert verdict["reasons"] == []
    assert done.status == 0
    assert verdict["passed"]
    assert verdict["rpo"]["acknowledged"] > 0
    assert verdict["rpo"]["lost"] == verdict["rpo"]["duplicated"] == verdict["rpo"]["phantom"] == 0
    told = verdict["events"]
    assert told["writes"] >= verdict["rpo"]["acknowledged"]
    assert [told[wrong] for wrong in ("missing", "disordered", "retold", "cursors", "phantom")] == [0] * 5
    assert verdict["writers_max"] == 1
    assert json.loads((done.directory / "verdict.json").read_text()) == verdict
    for name in ("history.jsonl", "hosts.log", "report.html"):
        assert (done.directory / name).stat().st_size > 0, name


# What holds also where replication is asynchronous. What users then read, refer to or repeat may be lost too,
# so other promises than that of no loss may be broken as well; which of them is a matter of chance.
HOLDS_ANYWAY = {
    "The drill ran to its end",
    "The load ran before the fault",
    "Writes came back in time",
    "One writer at a time",
    "No write is stored twice",
    "Every database node was compared",
}


@pytest.mark.drill
def test_asynchronous_replication_is_caught_losing_writes_and_undone(drilled_once, status_now):
    done = drilled_once("site-loss-async", "smoke")
    assert done.status == 1
    assert done.verdict["must_fail"]
    assert done.verdict["rpo"]["lost"] > 0
    assert any(reason.startswith("Acknowledged writes are missing") for reason in done.verdict["reasons"])
    assert "No acknowledged write is lost" in done.failed_checks
    assert not done.failed_checks & HOLDS_ANYWAY, done.verdict["reasons"]
    assert done.all_checks >= HOLDS_ANYWAY
    now = status_now()
    assert now["health"] == "healthy", now["problems"]
    assert len(now["synchronous_standbys"]) == 2
