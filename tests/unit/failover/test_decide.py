"""Every condition has one answer, and a guard that keeps it from acting says so."""

import dataclasses

import pytest

from failover.conditions import Condition
from failover.decide import Decision, History, Mode, Policy, decide
from failover.diagnosis import diagnose
from failover.proof.scenery import Health, Scene, picture
from failover.transitions import TABLE, Durability, Reaction, row_for
from failover.verbs import Verb
from failover.views import Outcome

pytestmark = pytest.mark.safety

WELL = Scene()
LOST = WELL.with_site(Health.OFF, "dc1")
HELD_LONG = 100.0


def decided(scene: Scene, policy: Policy | None = None, **history) -> Decision:
    seen = picture(scene)
    diagnosis = diagnose(seen)
    held = {(finding.condition, finding.subject): HELD_LONG for finding in diagnosis.findings}
    return decide(seen, diagnosis, History(**{"held_s": held, **history}), policy or Policy())


@pytest.mark.parametrize("durability", Durability)
@pytest.mark.parametrize("condition", Condition)
def test_every_condition_has_exactly_one_row_under_each_policy(condition, durability) -> None:
    row = row_for(condition, durability)

    assert bool(row.verbs) == (row.reaction is Reaction.ACT)
    assert row.comment.endswith(".")


def test_rule_ids_are_unique() -> None:
    assert len({row.rule for row in TABLE}) == len(TABLE)


def test_a_lost_site_is_answered_by_a_release_pinned_to_what_was_diagnosed() -> None:
    act = decided(LOST).act

    assert act is not None
    assert [each.verb for each in act.instructions] == [
        Verb.FENCE,
        Verb.RELEASE_LEADER_KEY,
        Verb.CONFIRM_FENCE,
    ]
    release = act.instructions[1]
    assert dict(release.arguments) == {
        "leader": "dc1-db1",
        "session": WELL.session,
        "candidate": "dc2-db1",
        "sync_version": WELL.sync_version,
    }


def test_a_lost_host_is_replaced_in_its_own_site_if_that_standby_is_synchronous() -> None:
    off = WELL.with_health(Health.OFF, "dc1-db1")
    only_remote = dataclasses.replace(off, sync=frozenset({"dc2-db2"}))

    assert candidate(decided(off)) == "dc1-db2"
    assert candidate(decided(only_remote)) == "dc2-db2"


def candidate(decision: Decision) -> str:
    assert decision.act is not None
    return decision.act.instructions[1].text("candidate")


def reasons(decision: Decision) -> set[str]:
    assert decision.act is None
    return {reason.partition(":")[0] for reason in decision.rulings[0].against}


def test_each_guard_keeps_a_failover_from_happening_and_is_named() -> None:
    synchronous_host_is_lost_too = dataclasses.replace(LOST, sync=frozenset({"dc1-db2"}))

    assert reasons(decided(LOST, Policy(mode=Mode.OBSERVE))) == {"mode"}
    assert reasons(decided(LOST, last_failover_s=10.0)) == {"anti-flap"}
    assert reasons(decided(dataclasses.replace(LOST, operation="switchover-7"))) == {"operation"}
    assert reasons(decided(dataclasses.replace(LOST, paused=True))) == {"pause"}
    assert reasons(decided(synchronous_host_is_lost_too)) == {"candidate"}
    assert reasons(decided(LOST.with_cut(("dc2", "wit")))) == set()  # no quorum: refused by its own row


def test_a_loss_that_only_one_site_sees_waits_for_the_other() -> None:
    full = picture(LOST)
    seen = dataclasses.replace(full, sightings=tuple(s for s in full.sightings if s.view.site != "wit"))

    assert reasons(decide(seen, diagnose(seen), History(), Policy())) == {"confirmation"}


def test_a_failover_after_the_window_or_an_acknowledgement_is_free_again() -> None:
    assert decided(LOST, last_failover_s=1000.0).act is not None
    assert decided(LOST, last_failover_s=None).act is not None


def test_patience_gives_patroni_the_first_move_after_a_crash() -> None:
    crash = WELL.with_health(Health.POSTGRES_DOWN, "dc1-db1")

    assert reasons(decided(crash, held_s={})) == {"patience"}
    assert decided(crash).act is not None


def test_observe_only_says_what_it_would_have_done_and_why() -> None:
    text = decided(LOST, Policy(mode=Mode.OBSERVE)).rulings[0].explain()

    assert "P-02" in text
    assert "would fence" in text
    assert "release-leader-key" in text
    assert "observe-only" in text


@pytest.mark.parametrize(
    "scene",
    [
        WELL.with_cut(("dc1", "dc2")),
        WELL.with_cut(("dc1", "dc2"), one_way=True),
        WELL.with_cut(("dc1", "wit")),
        WELL.with_site(Health.OFF, "wit"),
        WELL.with_site(Health.OFF, "dc2"),
        WELL.with_site(Health.OFF, "dc1").with_site(Health.OFF, "wit"),
    ],
    ids=["link cut", "one way", "witness link", "witness lost", "standby site lost", "no quorum"],
)
def test_what_leaves_the_primary_in_place(scene: Scene) -> None:
    assert decided(scene).act is None


def test_strict_closes_writes_while_no_other_site_has_a_copy_and_available_raises_an_alarm() -> None:
    exposed = dataclasses.replace(WELL, sync=frozenset({"dc1-db2"}))

    assert decided(exposed, Policy(durability=Durability.STRICT)).writes_closed
    assert not decided(exposed).writes_closed
    assert "D-02" in {ruling.row.rule for ruling in decided(exposed).alarms}
    assert not decided(WELL, Policy(durability=Durability.STRICT)).writes_closed


def test_a_second_loss_at_once_is_never_an_empty_promise() -> None:
    # Right after a promotion /sync is empty: nobody may take over, whoever is lost.
    scene = dataclasses.replace(LOST, sync=frozenset())

    assert "candidate" in reasons(decided(scene))


def test_a_primary_that_patroni_stopped_for_an_ordered_switch_is_left_to_it() -> None:
    """The stop looks like a crash, and the operator's candidate may be another than ours."""
    seen = picture(WELL.with_health(Health.POSTGRES_DOWN, "dc1-db1"))
    assert seen.cluster is not None
    switching = dataclasses.replace(seen, cluster=dataclasses.replace(seen.cluster, failover_pending=True))
    diagnosis = diagnose(switching)
    held = History({(finding.condition, finding.subject): HELD_LONG for finding in diagnosis.findings})

    assert diagnosis.condition is Condition.PRIMARY_PROCESS_DOWN
    assert decide(seen, diagnosis, held, Policy()).act is not None
    assert decide(switching, diagnosis, held, Policy()).act is None
    assert any(
        "order:" in reason for reason in decide(switching, diagnosis, held, Policy()).rulings[0].against
    )


def test_a_host_that_refuses_is_not_frozen() -> None:
    """Patroni may be too busy to answer while PostgreSQL's port refuses: a kernel runs there."""
    seen = picture(WELL.with_health(Health.FROZEN, "dc1-db1"))
    refusing = tuple(
        dataclasses.replace(
            sighting,
            view=dataclasses.replace(
                sighting.view,
                databases=tuple(
                    dataclasses.replace(
                        database, postgres=dataclasses.replace(database.postgres, outcome=Outcome.REFUSED)
                    )
                    if database.host == "dc1-db1"
                    else database
                    for database in sighting.view.databases
                ),
            ),
        )
        for sighting in seen.sightings
    )

    assert diagnose(seen).condition is Condition.PRIMARY_FROZEN
    assert diagnose(dataclasses.replace(seen, sightings=refusing)).condition is Condition.PRIMARY_HOST_LOST
