"""A stranded standby is copied anew if nothing can be lost by it; else an operator is told."""

from dataclasses import replace

import pytest

from failover.conditions import Condition
from failover.decide import History, Mode, Policy, Ruling, decide
from failover.diagnosis import diagnose
from failover.journal import Entry, Event, Outcome, Record
from failover.model import TimelineSwitch
from failover.panel import Picture
from failover.procedures import failback, failover
from failover.proof.scenery import Scene, picture
from failover.rebuilds import Rebuilds
from failover.stranded import Kept, Stranded, Waiting, judge
from failover.verbs import Verb

pytestmark = pytest.mark.safety

HOST, PRIMARY = "dc2-db2", "dc1-db1"
MIB = 1 << 20
SEGMENT = 16 * MIB
STRANDED = Stranded(PRIMARY, 3 * SEGMENT, 20 * SEGMENT)
SCENE = Scene(stranded={HOST: STRANDED})


def kept(timeline: int = 1, oldest: int = 20) -> Kept:
    return Kept(timeline, 40 * SEGMENT, f"00000000{oldest:08X}", SEGMENT)


# --- recognised for certain -------------------------------------------------------------------------------


def test_a_standby_is_stranded_when_no_file_of_the_primary_holds_the_place_it_stands_at() -> None:
    assert judge(PRIMARY, Waiting(20 * SEGMENT, 1), kept()) is None
    assert judge(PRIMARY, Waiting(30 * SEGMENT + 5, 1), kept()) is None

    last_byte_before = judge(PRIMARY, Waiting(20 * SEGMENT - 1, 1), kept())

    assert last_byte_before == Stranded(PRIMARY, 20 * SEGMENT - 1, 20 * SEGMENT)


def test_a_segments_name_counts_beyond_the_first_four_gigabytes() -> None:
    assert Kept(1, 0, "0000000200000003", SEGMENT).begins == (2 << 32) + 3 * SEGMENT


def test_it_says_where_it_stands_and_how_much_is_missing() -> None:
    said = Stranded(PRIMARY, (1 << 32) + 16, (1 << 32) + 16 + 200 * 10**6).says()

    assert said == "waits for WAL from 1/10 on; dc1-db1 has none before 1/BEBC210 any more, 200 MB later"


# --- nothing of its own -----------------------------------------------------------------------------------

OPENED = (TimelineSwitch(1, 5 * SEGMENT, None, "dc2-db1"), TimelineSwitch(2, 9 * SEGMENT, None, PRIMARY))


@pytest.mark.parametrize(
    ("waiting", "timeline", "history", "own"),
    [
        (Waiting(4 * SEGMENT, 1), 1, (), ""),
        (Waiting(4 * SEGMENT, 1), 3, OPENED, ""),
        (Waiting(5 * SEGMENT, 1), 3, OPENED, ""),
        (Waiting(5 * SEGMENT + 1, 1), 3, OPENED, "dc1-db1 left timeline 1 at 0/5000000"),
        (Waiting(9 * SEGMENT, 2), 3, OPENED, ""),
        (Waiting(9 * SEGMENT + 1, 2), 3, OPENED, "left timeline 2"),
        (Waiting(4 * SEGMENT, 3), 3, OPENED, ""),
        (Waiting(4 * SEGMENT, 7), 3, OPENED, "timeline 7 is not in the history"),
        (Waiting(4 * SEGMENT, None), 3, OPENED, "its timeline is unknown"),
        (Waiting(4 * SEGMENT, 1), 3, (), "does not tell how dc1-db1 came to timeline 3"),
        (Waiting(4 * SEGMENT, 1), 3, OPENED[:1], "does not tell how"),
        (Waiting(4 * SEGMENT, 3), 3, (replace(OPENED[1], leader="dc2-db1"),), "does not tell how"),
    ],
    ids=[
        "the first timeline",
        "an older timeline, before it was left",
        "up to the very switch",
        "a byte beyond the switch",
        "the timeline before, up to the switch",
        "the timeline before, a byte beyond",
        "the primary's own timeline",
        "a timeline that the primary never had",
        "an unknown timeline",
        "no history",
        "a history that is behind",
        "a history of another who opened this timeline",
    ],
)
def test_what_it_has_is_known_to_be_the_primarys_or_it_is_saved_first(
    waiting, timeline, history, own
) -> None:
    found = judge(PRIMARY, waiting, kept(timeline), history)

    assert found is not None
    assert own in found.own
    assert bool(own) == bool(found.own)


# --- decided ----------------------------------------------------------------------------------------------


def ruling(seen: Picture, policy: Policy | None = None, held_s: float = 100.0, **history) -> Ruling:
    held = {(Condition.STANDBY_STRANDED, HOST): held_s, (Condition.STANDBY_STRANDED, "dc1-db2"): held_s}
    decision = decide(seen, diagnose(seen), History(held, **history), policy or Policy())
    return next(each for each in decision.rulings if each.finding.subject == HOST)


def reasons(each: Ruling) -> set[str]:
    return {reason.partition(":")[0] for reason in each.against}


def test_a_stranded_standby_is_copied_anew() -> None:
    found = ruling(picture(SCENE))

    assert found.acts
    assert found.row.rule == "D-06"
    plan = failover.automatic(found)
    assert [str(step.do) for step in plan.steps if step.do] == [f"reinitialize host={HOST}"]
    assert [str(step.check) for step in plan.steps] == [f"stranded host={HOST}", f"rebuilding host={HOST}"]


@pytest.mark.parametrize(
    ("scene", "guards"),
    [
        (replace(SCENE, operation="switchover-7"), {"operation"}),
        (replace(SCENE, paused=True), {"pause"}),
        (replace(SCENE, sync=frozenset({"dc2-db1", HOST})), {"synchronous"}),
        (replace(SCENE, stranded={HOST: replace(STRANDED, own="it went on")}), {"own"}),
        (replace(SCENE, sync=frozenset()), {"copies"}),
        (replace(SCENE, not_streaming=frozenset({"dc1-db2", "dc2-db1"})), {"copies"}),
        (replace(SCENE, not_streaming=frozenset({"dc1-db2"})), set()),
        (replace(SCENE, copying=frozenset({"dc1-db2"})), {"one-at-a-time"}),
        (replace(SCENE, copying=frozenset({"dc1-db2", "dc2-db1"})), {"copies", "one-at-a-time"}),
    ],
    ids=[
        "another operation",
        "maintenance mode",
        "it counts as synchronous",
        "it may hold something of its own",
        "nobody is synchronous",
        "no synchronous standby streams",
        "one of two streams",
        "another is being copied",
        "and nobody else is left",
    ],
)
def test_each_guard_keeps_it_and_an_operator_is_told(scene: Scene, guards: set[str]) -> None:
    found = ruling(picture(scene))

    assert reasons(found) == guards
    assert found.acts == (not guards)
    assert found.alarms


def test_it_waits_its_time_does_nothing_in_observe_only_and_nothing_while_patroni_switches() -> None:
    seen = picture(SCENE)
    assert seen.cluster is not None
    switching = replace(seen, cluster=replace(seen.cluster, failover_pending=True))

    assert reasons(ruling(seen, held_s=29.0)) == {"patience"}
    assert reasons(ruling(seen, Policy(mode=Mode.OBSERVE))) == {"mode"}
    assert reasons(ruling(switching)) == {"order"}


def test_who_was_copied_of_late_and_is_stranded_again_needs_an_operator() -> None:
    seen = picture(SCENE)

    assert reasons(ruling(seen, rebuilt_s={HOST: 3599.0})) == {"anti-flap"}
    assert ruling(seen, rebuilt_s={HOST: 3601.0}).acts
    assert ruling(seen, rebuilt_s={HOST: 30.0}).alarms


def test_of_two_the_second_waits_until_the_first_streams() -> None:
    both = replace(SCENE, stranded={HOST: STRANDED, "dc1-db2": STRANDED})

    assert ruling(picture(both)).acts
    assert reasons(ruling(picture(both), rebuilt_s={"dc1-db2": 20.0})) == {"one-at-a-time"}
    assert ruling(picture(SCENE), rebuilt_s={"dc1-db2": 20.0}).acts
    assert ruling(picture(both), rebuilt_s={"dc1-db2": 4000.0}).acts, "it does not wait for ever"


def test_a_lost_primary_comes_before_any_rebuild_and_a_rebuild_keeps_nobody_in_office() -> None:
    seen = picture(SCENE)
    decision = decide(seen, diagnose(seen), History(), Policy())

    assert [each.row.rule for each in decision.rulings] == ["D-06"]
    assert not decision.may_act


# --- remembered -------------------------------------------------------------------------------------------


def entry(*events: Event, at: float = 50.0) -> Entry:
    plan = failover.automatic(ruling(picture(SCENE)))
    records = tuple(Record(event, "rebuild", "", 1, at + n) for n, event in enumerate(events))
    return Entry("1-automatic", plan, "wit-zk1", "", records, Outcome.DONE)


def test_the_journal_tells_what_was_ordered_without_a_word_and_when() -> None:
    ordered = Rebuilds.of((entry(Event.INTENT, Event.DONE), entry(Event.INTENT, Event.MISSED, at=10.0)))

    assert ordered.ages_s(60.0) == {HOST: 10.0}


def test_what_was_not_ordered_or_by_an_operator_does_not_count() -> None:
    by_order = Entry("2-failback", failback.plan(HOST), "anna", "", entry(Event.INTENT).records)

    assert Rebuilds.of((entry(), by_order)).ages_s(60.0) == {}
    assert next(step for step in by_order.plan.steps if step.name == "rebuild").do is not None
    assert Verb.REINITIALIZE in {step.do.verb for step in by_order.plan.steps if step.do}
