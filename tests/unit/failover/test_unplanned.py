"""Orders for what nobody planned: who takes over, what that loses, and what is refused."""

from dataclasses import replace

import pytest

from failover.desk import OrderRefusedError
from failover.exposure import Budget, Sample, Track
from failover.plan import Operation, Plan
from failover.planners_unplanned import (
    plan_failback,
    plan_failover,
    plan_maintenance_start,
    plan_return,
    unplanned,
)
from failover.proof.scenery import Health, Scene, picture
from failover.requests import Request
from failover.verbs import Verb

pytestmark = pytest.mark.safety


def asked(task: Operation = Operation.FAILOVER, **arguments) -> Request:
    return Request.of(task, name="x", by="anna@ops", reason="drill", at=1.0, **arguments)


def track(behind: int = 0) -> Track:
    """Ten writes and a hundred bytes a second; the standbys of the scenery (LSN 1000) are `behind` bytes."""
    held = Track()
    for second in range(1, 11):
        sample = Sample(second, 1, second * 100 + behind, second * 10)
        held = held.after("dc1-db1", sample, {"dc2-db1": 900, "dc2-db2": 900}, guaranteed=False)
    return held


def lost() -> Scene:
    return Scene().with_health(Health.OFF, "dc1-db1", "dc1-db2", "dc1-app1", "dc1-app2")


def verbs(plan: Plan) -> list[Verb]:
    return [step.do.verb for step in plan.steps if step.do]


def without_sync(scene: Scene):
    """Nobody is synchronous, and hosts have received little."""
    seen = picture(scene)
    assert seen.cluster is not None
    return replace(seen, cluster=replace(seen.cluster, sync=replace(seen.cluster.sync, members=frozenset())))


def test_a_synchronous_host_takes_over_without_any_loss_and_without_a_certain_fence() -> None:
    plan = plan_failover(picture(lost()), asked(site="dc2"), track(), Budget())

    assert "0 acknowledged writes" in plan.warnings[0]
    assert verbs(plan)[:2] == [Verb.FENCE, Verb.RELEASE_LEADER_KEY]
    assert plan.steps[0].optional


def test_a_primary_that_answers_is_switched_and_not_replaced() -> None:
    with pytest.raises(OrderRefusedError, match="twinsite switchover"):
        plan_failover(picture(Scene()), asked(site="dc2"), track(), Budget())


def test_a_loss_is_refused_named_and_accepted_for_one_order_only() -> None:
    seen, held = without_sync(lost()), track(behind=300)

    with pytest.raises(OrderRefusedError, match=r"40 acknowledged writes \(300 bytes\) over 4.0 s"):
        plan_failover(seen, asked(site="dc2"), held, Budget())

    plan = plan_failover(seen, asked(site="dc2", accept_loss=True), held, Budget())
    assert "accepted by anna@ops for this one operation" in plan.warnings[1]
    assert verbs(plan)[:2] == [Verb.CONFIRM_FENCE, Verb.FORCE_FAILOVER]
    assert not plan.steps[0].optional

    assert plan_failover(seen, asked(site="dc2"), held, Budget(records=50, seconds=5.0))


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(OrderRefusedError, match="unknown"):
        plan_failover(without_sync(lost()), asked(host="dc2-db1"), None, Budget(records=10**9, seconds=1e9))


def test_the_operators_word_takes_the_fences_place_and_stands_in_the_plan() -> None:
    seen = without_sync(lost())
    plan = plan_failover(seen, asked(site="dc2", accept_loss=True, is_off=True), track(100), Budget())

    assert verbs(plan)[0] is Verb.FORCE_FAILOVER
    assert any("is off is an operator's word" in text for text in plan.warnings)


def test_nobody_who_is_dead_takes_over() -> None:
    with pytest.raises(OrderRefusedError, match="nobody in dc1 can take over"):
        plan_failover(picture(lost()), asked(site="dc1"), track(), Budget())


def test_the_way_back_is_for_a_standby_that_does_not_stream() -> None:
    seen = picture(Scene().with_health(Health.OFF, "dc2-db2"))

    plan = plan_failback(seen, asked(Operation.FAILBACK, host="dc2-db2"))
    assert verbs(plan) == [Verb.UNFENCE, Verb.REINITIALIZE]
    assert verbs(plan_return(seen, asked(Operation.RETURN, host="dc2-db2"))) == [Verb.UNFENCE]
    for host, words in {
        "dc1-db1": "is the primary",
        "dc2-db1": "streams already",
        "x": "no database",
    }.items():
        for planner, task in ((plan_failback, Operation.FAILBACK), (plan_return, Operation.RETURN)):
            with pytest.raises(OrderRefusedError, match=words):
                planner(seen, asked(task, host=host))


def test_agents_carry_out_each_order_of_the_way_back() -> None:
    assert {Operation.RETURN, Operation.FAILBACK} <= unplanned(lambda: None, Budget()).keys()


def test_a_primary_is_switched_away_before_it_is_held() -> None:
    with pytest.raises(OrderRefusedError, match="switch over first"):
        plan_maintenance_start(picture(Scene()), asked(Operation.MAINTENANCE_START, hosts="dc1-db1 dc1-db2"))

    plan = plan_maintenance_start(picture(Scene()), asked(Operation.MAINTENANCE_START, hosts="dc2-db2"))
    assert verbs(plan) == [Verb.HOLD_HOST]
