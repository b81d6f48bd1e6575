"""What a drill knows of the orchestrator: its mode, its instants, and plain Patroni for comparison."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from failover.drills.announcements import Instant, events
from failover.drills.history import read
from failover.drills.model import OrchestratorMode
from failover.drills.order import Order
from failover.drills.runner import Drill
from failover.drills.scenarios import SCENARIOS, Budget
from failover.journal import Entry, Event, Record
from failover.plan import Operation, Plan, Step
from failover.verbs import ALWAYS, Instruction, Verb
from tests.unit.failover.drills.conftest import ESTATE, QUICK

WALL = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = Instant(WALL, 500 * 10**9)
RELEASE = Step(
    "let-go",
    "release",
    ALWAYS,
    do=Instruction.of(
        Verb.RELEASE_LEADER_KEY, leader="dc1-db1", session=1, candidate="dc2-db1", sync_version=1
    ),
    commits=True,
)


def entry(*seconds_ago: float) -> Entry:
    """An operation with a fence, and a release that took two records."""
    steps = (Step("fence", "fence", ALWAYS), RELEASE)
    names = (("fence", Event.INTENT), ("let-go", Event.INTENT), ("let-go", Event.DONE))
    records = tuple(
        Record(event, step, "", 1, WALL.timestamp() - ago)
        for (step, event), ago in zip(names, seconds_ago, strict=False)
    )
    return Entry("1-automatic", Plan(Operation.AUTOMATIC, "t", steps), "wit-zk1", "", records)


def test_a_decision_and_its_release_are_told_on_the_one_clock() -> None:
    told = events([entry(3.0, 2.75, 2.5)], WALL - timedelta(seconds=10), NOW)

    assert [(each.function, each.t_ns) for each in told] == [
        ("detection", 497 * 10**9),
        ("release", int(497.5 * 10**9)),
    ]
    assert {each.node for each in told} == {"wit-zk1"}


def test_what_was_done_before_the_drill_is_no_part_of_it() -> None:
    assert events([entry(30.0, 29.0, 28.0), entry()], WALL - timedelta(seconds=10), NOW) == ()


def test_the_mode_stands_in_the_verdict_and_decides_on_the_budget(drill, world) -> None:
    acting = Budget(rto_s=0.5)
    world.orchestrator = OrchestratorMode.ACTIVE

    verdict = drill("site-loss", acting=acting)

    assert verdict.orchestrator == "active"
    assert any("limit 0.5" in reason for reason in verdict.reasons)
    assert [(check.passed, check.timed) for check in verdict.checks if "limit 0.5" in check.detail] == [
        (False, True)
    ]
    assert not any(check.timed for check in verdict.checks if "limit" not in check.detail)


def test_a_missed_aim_is_told_and_fails_no_drill(drill, world) -> None:
    world.orchestrator = OrchestratorMode.ACTIVE
    verdict = drill("site-loss", acting=None, aim=Budget(rto_s=0.5))
    assert (verdict.passed, [aim.passed for aim in verdict.aims]) == (True, [False]), verdict.reasons
    assert "limit 0.5" in verdict.aims[0].detail


def test_without_an_orchestrator_that_acts_there_is_no_aim(drill) -> None:
    assert drill("site-loss", aim=Budget(rto_s=0.5)).aims == ()


def test_plain_stops_every_agent_and_starts_it_again(world, tmp_path) -> None:
    scenario = replace(SCENARIOS["primary-host-loss"], acting=Budget(rto_s=0.5), timing=QUICK)
    order = Order(scenario, ESTATE, tmp_path / "report", profile="steady", seed=1, plain=True)
    world.orchestrator = OrchestratorMode.ACTIVE

    verdict = Drill(order, world.ports(), lambda _text: None).run()

    assert (verdict.orchestrator, verdict.passed, verdict.reasons) == ("stopped", True, ())
    stops = [
        each for each in read(tmp_path / "report" / "history.jsonl") if each.function == "stop_orchestrator"
    ]
    assert [each.state for each in stops] == ["begun", "done"]
    assert not world.stopped_units


def test_a_killed_agent_is_started_if_systemd_does_not(drill, world) -> None:
    verdict = drill("orchestrator-loss")

    assert verdict.passed, verdict.reasons
    assert not world.broken
