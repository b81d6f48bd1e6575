"""The orchestrator dies at every single point of every procedure; its successor leaves a healthy estate."""

import json

import pytest

from failover.actuators.dispatch import DISPATCH
from failover.conditions import Condition
from failover.decide import History, Policy, decide
from failover.diagnosis import diagnose
from failover.exposure import NONE, Exposure
from failover.journal import (
    DeposedError,
    Entry,
    Event,
    OperationRunningError,
    Outcome,
    entry_from_json,
    entry_to_json,
)
from failover.plan import Plan
from failover.procedures import failback, failover, maintenance, recover_quorum, switchover
from failover.proof.hands import runner
from failover.proof.rehearsal import Being, Crashed, Rehearsal, Sensors
from failover.proof.scenery import Health, Scene, picture
from failover.stranded import Stranded
from failover.verbs import Check, Verb

pytestmark = pytest.mark.safety


def switch(candidate: str = "dc2-db1") -> Plan:
    widen_from = 2 if candidate == "dc2-db2" else None
    return switchover.plan(switchover.Switch("op-1", "dc1-db1", 1, candidate, candidate[:3], widen_from))


def automatic() -> Plan:
    seen = picture(Scene().with_health(Health.OFF, "dc1-db1"))
    act = decide(seen, diagnose(seen), History(), Policy()).act
    assert act is not None
    return failover.automatic(act)


def ordered() -> Plan:
    return failover.ordered(
        failover.Order("dc1-db1", "dc2-db2", "dc2", Exposure(3, 1.5, "last seen 1.5 s before the loss"))
    )


def ordered_to_a_synchronous_host() -> Plan:
    order = failover.Order(
        "dc1-db1", "dc2-db1", "dc2", NONE, session=1, sync_version=1, fenced=failover.Fenced.IF_POSSIBLE
    )
    return failover.ordered(order)


def ordered_by_word() -> Plan:
    exposure = Exposure(3, 1.5, "last seen 1.5 s before the loss")
    word = failover.Fenced.BY_WORD
    return failover.ordered(failover.Order("dc1-db1", "dc2-db2", "dc2", exposure, fenced=word))


def well() -> Rehearsal:
    return Rehearsal()


def primary_off() -> Rehearsal:
    estate = Rehearsal()
    estate.power_off("dc1-db1")
    return estate


def standby_fenced() -> Rehearsal:
    estate = Rehearsal(fenced={"dc2-db2"})
    estate.power_off("dc2-db2")
    return estate


def standby_stranded() -> Rehearsal:
    return Rehearsal(beings={**Rehearsal().beings, "dc2-db2": Being.STRANDED})


def rebuilt() -> Plan:
    """As soon as a standby that is stranded has been seen long enough."""
    seen = picture(Scene(stranded={"dc2-db2": Stranded("dc1-db1", 1, 1 << 24)}))
    held = {(Condition.STANDBY_STRANDED, "dc2-db2"): 100.0}
    act = decide(seen, diagnose(seen), History(held), Policy()).act
    assert act is not None
    return failover.automatic(act)


def no_quorum() -> Rehearsal:
    estate = Rehearsal(quorum=False, key=None, sync={"dc1-db2", "dc2-db1"})
    estate.power_off("dc1-db1")
    estate.power_off("dc1-db2")
    return estate


PROCEDURES = {
    "switchover to the other site": (well, switch, {"dc1-db1", "dc2-db1"}),
    "switchover to a host in the same site": (well, lambda: switch("dc1-db2"), {"dc1-db1", "dc1-db2"}),
    "switchover to a host that is not synchronous": (
        well,
        lambda: switch("dc2-db2"),
        {"dc1-db1", "dc2-db2"},
    ),
    "automatic failover": (primary_off, automatic, {"dc1-db2", "dc2-db1"}),
    "ordered failover": (well, ordered, {"dc1-db1", "dc1-db2", "dc2-db1", "dc2-db2"}),
    "ordered failover to a synchronous host": (
        primary_off,
        ordered_to_a_synchronous_host,
        {"dc1-db2", "dc2-db1"},
    ),
    "ordered failover by word": (primary_off, ordered_by_word, {"dc1-db2", "dc2-db1", "dc2-db2"}),
    "maintenance start": (well, lambda: maintenance.start(("dc2-db1", "dc2-db2"), "dc1-db1"), {"dc1-db1"}),
    "maintenance end": (well, lambda: maintenance.end(("dc2-db1", "dc2-db2")), {"dc1-db1"}),
    "return": (standby_fenced, lambda: failback.let_return("dc2-db2"), {"dc1-db1"}),
    "failback": (standby_fenced, lambda: failback.plan("dc2-db2"), {"dc1-db1"}),
    "automatic rebuild": (standby_stranded, rebuilt, {"dc1-db1"}),
    "recover quorum": (no_quorum, lambda: recover_quorum.plan("dc2"), {"dc2-db1"}),
    "rejoin": (well, recover_quorum.rejoin, {"dc1-db1"}),
}


def begin(estate: Rehearsal, plan: Plan) -> Entry:
    return runner(estate, 1).start(Entry("op-1", plan, "operator", "test"))


def assert_healthy(estate: Rehearsal, primaries: set[str]) -> None:
    assert estate.paused is None
    assert estate.sync_count == 2
    assert len(estate.primaries) == 1
    assert estate.writer in primaries
    assert not [entry for entry in estate.entries.values() if entry.outcome is None]


@pytest.mark.parametrize("name", PROCEDURES)
def test_each_procedure_reaches_its_end(name: str) -> None:
    world, plan, primaries = PROCEDURES[name]
    estate = world()

    entry = begin(estate, plan())
    estate.settle()

    assert entry.outcome is Outcome.DONE, [r for r in entry.records if r.event is not Event.DONE]
    assert_healthy(estate, primaries)


def crashed(world, plan, point: int) -> Rehearsal | None:
    """The estate after a crash at this point; None if the operation ended before it."""
    estate = world()
    estate.crash_at = point
    try:
        begin(estate, plan())
    except Crashed:
        estate.crash_at = None
        return estate
    return None


@pytest.mark.parametrize("delay_s", [0.0, 3.0, 60.0])
@pytest.mark.parametrize("name", PROCEDURES)
def test_a_successor_ends_what_was_begun_wherever_the_orchestrator_died(name: str, delay_s: float) -> None:
    world, plan, primaries = PROCEDURES[name]
    point = 0
    while (estate := crashed(world, plan, point)) is not None:
        estate.epoch = 2
        estate.settle(delay_s)
        runner(estate, 2).take_over()
        estate.settle()
        if world is no_quorum and estate.writer is None:
            # Nothing had begun, or it was taken back before anything changed: the operator orders it again.
            runner(estate, 2).start(Entry("op-2", plan(), "operator", "again"))
        assert_healthy(estate, primaries)
        point += 1
    assert point > 2 * len(plan().steps)


@pytest.mark.parametrize("second", range(12))
@pytest.mark.parametrize("name", ["switchover to the other site", "automatic failover"])
def test_a_successor_may_die_too(name: str, second: int) -> None:
    world, plan, primaries = PROCEDURES[name]
    point = 0
    while (estate := crashed(world, plan, point)) is not None:
        estate.epoch, estate.points, estate.crash_at = 2, 0, second
        try:
            runner(estate, 2).take_over()
        except Crashed:
            estate.crash_at = None
            estate.epoch = 3
            runner(estate, 3).take_over()
        estate.crash_at = None
        estate.settle()
        assert_healthy(estate, primaries)
        point += 1


def test_a_deposed_orchestrator_touches_nothing() -> None:
    estate = Rehearsal()
    old = runner(estate, 1)
    estate.epoch = 2

    with pytest.raises(DeposedError, match="epoch 2"):
        old.start(Entry("op-1", switch(), "operator", "test"))

    assert estate == Rehearsal(epoch=2, points=estate.points)


def test_a_second_operation_is_told_who_runs_what() -> None:
    estate = crashed(well, switch, 5)
    assert estate is not None

    with pytest.raises(OperationRunningError, match=r"op-1 \(switch the primary.*ordered by operator"):
        runner(estate, 1).start(Entry("op-2", switch(), "somebody else", "test"))


def test_a_refused_preflight_changes_nothing() -> None:
    estate = Rehearsal(preflight=False)

    entry = begin(estate, switch())

    assert entry.outcome is Outcome.ROLLED_BACK
    assert estate.writer == "dc1-db1"
    assert [record.event for record in entry.records] == [Event.INTENT, Event.REFUSED, Event.UNDONE]


def test_a_switch_that_the_primary_does_not_answer_goes_back_to_where_it_was() -> None:
    class Deaf(Rehearsal):
        def _hand_over(self) -> None:
            """Patroni on the primary does not react."""

    estate = Deaf()

    entry = begin(estate, switch())

    assert entry.outcome is Outcome.ROLLED_BACK
    assert (estate.writer, estate.paused, estate.ordered) == ("dc1-db1", None, None)


def test_a_release_that_finds_another_owner_ends_without_harm() -> None:
    estate = primary_off()
    estate.promote("dc2-db1")

    entry = begin(estate, automatic())

    assert entry.outcome is not None
    assert estate.writer == "dc2-db1"


def test_what_cannot_be_undone_is_said_to_be_incomplete_and_the_rest_goes_on() -> None:
    class NobodyWrites(Sensors):
        def _holds(self, expectation) -> bool:
            return expectation.check is not Check.ACCEPTS_WRITES and super()._holds(expectation)

    estate = Rehearsal()
    entry = runner(estate, 1, NobodyWrites(estate)).start(Entry("op-1", switch(), "operator", "test"))

    assert entry.outcome is Outcome.INCOMPLETE
    assert entry.events("verify") == {Event.INTENT, Event.MISSED}
    assert Event.DONE in entry.events("prefer")
    assert estate.paused is None


def test_a_rewind_that_sticks_is_made_good_by_the_rebuild_and_the_operation_is_done() -> None:
    class Stuck(Rehearsal):
        def _follow(self) -> None:
            """Patroni does not bring the host back by itself."""

    estate = Stuck(fenced={"dc2-db2"})
    estate.power_off("dc2-db2")

    entry = begin(estate, failback.plan("dc2-db2", ("saved 3 transactions in …",)))

    assert entry.outcome is Outcome.DONE
    assert entry.events("rewind") == {Event.INTENT, Event.MISSED}
    assert "! saved 3 transactions" in entry.plan.describe()


def test_a_host_is_let_run_first_and_a_return_destroys_nothing_where_the_rewind_sticks() -> None:
    class Stuck(Rehearsal):
        def _follow(self) -> None:
            """Patroni does not bring the host back by itself."""

    estate = Stuck(fenced={"dc2-db2"})
    estate.power_off("dc2-db2")

    entry = begin(estate, failback.let_return("dc2-db2"))

    assert [step.name for step in entry.plan.steps] == ["unfence", "rewind"]
    assert entry.outcome is Outcome.INCOMPLETE
    assert (estate.beings["dc2-db2"], estate.fenced, estate.reinitialized) == (Being.STOPPED, set(), 0)
    for plan in (failback.let_return("dc2-db2"), failback.plan("dc2-db2")):
        assert plan.steps[0].do is not None
        assert plan.steps[0].do.verb is Verb.UNFENCE


def test_a_rebuild_whose_orchestrator_died_is_ordered_again_only_if_it_has_not_begun() -> None:
    """To order it while the host copies would begin the copy anew."""
    seen = set()
    for point in range(200):
        if (estate := crashed(standby_stranded, rebuilt, point)) is None:
            break
        estate.epoch = 2
        before = estate.beings["dc2-db2"]
        ended = runner(estate, 2).take_over()
        begun = ended is not None and Event.INTENT in ended.events("rebuild")
        orders = estate.reinitialized
        seen.add((before, begun, orders))
        assert orders <= 1
        assert (estate.beings["dc2-db2"] is Being.STANDBY) == (orders == 1)
        assert ended is None or begun or ended.outcome is Outcome.ROLLED_BACK
    assert {(Being.STRANDED, False, 0), (Being.STRANDED, True, 1), (Being.STANDBY, True, 1)} <= seen


def test_a_standby_that_came_back_meanwhile_is_not_copied() -> None:
    estate = well()

    entry = begin(estate, rebuilt())

    assert entry.outcome is Outcome.ROLLED_BACK
    assert entry.events("rebuild") == frozenset()
    assert estate.reinitialized == 0


def test_the_pause_ends_by_itself_when_nobody_takes_over() -> None:
    for point in range(200):
        estate = crashed(well, switch, point)
        if estate is None:
            break
        estate.settle()
        assert estate.paused is None
        assert len(estate.primaries) == 1


@pytest.mark.parametrize("name", PROCEDURES)
def test_an_entry_is_read_from_the_journal_as_it_was_written(name: str) -> None:
    world, plan, _ = PROCEDURES[name]
    entry = begin(world(), plan())

    assert entry_from_json(json.loads(json.dumps(entry_to_json(entry)))) == entry


def test_every_instruction_has_an_actuator() -> None:
    assert set(DISPATCH) == set(Verb)


def test_every_instruction_of_the_table_can_become_a_step() -> None:
    assert [step.do.verb for step in automatic().steps if step.do] == [
        Verb.FENCE,
        Verb.RELEASE_LEADER_KEY,
        Verb.ROUTE,
        Verb.RESUME_POOLS,
        Verb.CONFIRM_FENCE,
    ]


def test_a_plan_describes_itself_before_it_runs() -> None:
    text = switch().describe()

    assert "1. check lag, synchronous set" in text
    assert "undone by resume-pools" in text
    assert "no way back from here" in text
