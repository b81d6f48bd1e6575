"""Each condition is found in the world that has it, and a loss counts only with two other sites' word."""

from dataclasses import replace

import pytest

from failover.conditions import PRIMARY_LOSSES, Certainty, Condition
from failover.diagnosis import diagnose
from failover.panel import Panel, Picture
from failover.proof.scenery import Health, Scene, picture
from failover.stranded import Stranded
from failover.views import Outcome, Signal

pytestmark = pytest.mark.safety

WELL = Scene()

WORLDS = {
    "nothing is wrong": (WELL, Condition.HEALTHY, "dc1-db1"),
    "site without power, refusing": (WELL.with_site(Health.REFUSING, "dc1"), Condition.SITE_LOST, "dc1"),
    "site without power, silent": (WELL.with_site(Health.OFF, "dc1"), Condition.SITE_ISOLATED, "dc1"),
    "site behind cut links": (WELL.isolate("dc1"), Condition.SITE_ISOLATED, "dc1"),
    "standby site lost": (WELL.with_site(Health.OFF, "dc2"), Condition.STANDBY_SITE_LOST, "dc2"),
    "primary host off": (WELL.with_health(Health.OFF, "dc1-db1"), Condition.PRIMARY_HOST_LOST, "dc1-db1"),
    "primary frozen": (WELL.with_health(Health.FROZEN, "dc1-db1"), Condition.PRIMARY_FROZEN, "dc1-db1"),
    "postgres down": (
        WELL.with_health(Health.POSTGRES_DOWN, "dc1-db1"),
        Condition.PRIMARY_PROCESS_DOWN,
        "dc1-db1",
    ),
    "patroni down": (
        WELL.with_health(Health.PATRONI_DOWN, "dc1-db1"),
        Condition.PRIMARY_UNMANAGED,
        "dc1-db1",
    ),
    "no leader key": (replace(WELL, leader=None), Condition.NO_PRIMARY, "cluster"),
    "two primaries": (
        replace(WELL, primaries=frozenset({"dc1-db1", "dc2-db1"})),
        Condition.SEVERAL_PRIMARIES,
        "dc1-db1, dc2-db1",
    ),
    "data link cut": (WELL.with_cut(("dc1", "dc2")), Condition.LINK_CUT, "dc1-dc2"),
    "data link cut one way": (
        WELL.with_cut(("dc1", "dc2"), one_way=True),
        Condition.LINK_CUT_ONE_WAY,
        "dc1-dc2",
    ),
    "data link cut the other way": (
        WELL.with_cut(("dc2", "dc1"), one_way=True),
        Condition.LINK_CUT_ONE_WAY,
        "dc1-dc2",
    ),
    "witness off": (WELL.with_site(Health.OFF, "wit"), Condition.WITNESS_LOST, "wit"),
    "one witness link cut": (WELL.with_cut(("dc1", "wit")), Condition.WITNESS_LINK_CUT, "dc1-wit"),
    "data site and witness lost": (
        WELL.with_site(Health.OFF, "dc1").with_site(Health.OFF, "wit"),
        Condition.ZOOKEEPER_WITHOUT_QUORUM,
        "zookeeper",
    ),
    "all links cut": (
        WELL.isolate("dc1").isolate("dc2"),
        Condition.ZOOKEEPER_WITHOUT_QUORUM,
        "zookeeper",
    ),
    "patroni paused": (replace(WELL, paused=True), Condition.PATRONI_PAUSED, "cluster"),
    "pool left paused": (replace(WELL, pools_paused={"dc1-app1": None}), Condition.POOL_PAUSED, "dc1-app1"),
    "only a local copy": (
        replace(WELL, sync=frozenset({"dc1-db2"})),
        Condition.CROSS_SITE_DURABILITY_LOST,
        "dc1-db1",
    ),
    "one synchronous standby": (
        replace(WELL, sync=frozenset({"dc2-db1"})),
        Condition.SYNC_DEGRADED,
        "dc1-db1",
    ),
    "standby off": (WELL.with_health(Health.OFF, "dc2-db2"), Condition.STANDBY_MISSING, "dc2-db2"),
    "standby that waits for removed WAL": (
        replace(WELL, stranded={"dc2-db2": Stranded("dc1-db1", 1, 1 << 24)}),
        Condition.STANDBY_STRANDED,
        "dc2-db2",
    ),
    "standby that waits for removed WAL of an older timeline": (
        replace(WELL, timelines={"dc1-db1": 2}, stranded={"dc2-db2": Stranded("dc1-db1", 1, 1 << 24)}),
        Condition.STANDBY_STRANDED,
        "dc2-db2",
    ),
    "standby that another primary than today's had no WAL for": (
        replace(WELL, stranded={"dc2-db2": Stranded("dc2-db1", 1, 1 << 24)}),
        Condition.STANDBY_MISSING,
        "dc2-db2",
    ),
    "standby on another timeline": (
        replace(WELL, timelines={"dc2-db2": 4}, not_streaming=frozenset({"dc2-db2"})),
        Condition.STANDBY_DIVERGED,
        "dc2-db2",
    ),
    "a ZooKeeper server with another tree": (
        replace(WELL, tree_mismatches={"dc1-app2": 32}),
        Condition.ZOOKEEPER_DIVERGED,
        "dc1-app2",
    ),
    "many failovers": (replace(WELL, recent_failovers=2), Condition.FLAPPING, "cluster"),
}


@pytest.mark.parametrize("world", WORLDS)
def test_each_condition_is_found_with_its_subject_and_evidence(world: str) -> None:
    scene, condition, subject = WORLDS[world]

    diagnosis = diagnose(picture(scene))

    assert (diagnosis.condition, diagnosis.main.subject) == (condition, subject)
    assert diagnosis.main.confirmed
    assert diagnosis.main.evidence


def test_every_condition_but_disagreement_has_a_world() -> None:
    assert {condition for _, condition, _ in WORLDS.values()} | {Condition.VIEWS_DISAGREE} == set(Condition)


def without(scene: Scene, *observers: str) -> Picture:
    full = picture(scene)
    return replace(full, sightings=tuple(s for s in full.sightings if s.view.observer not in observers))


@pytest.mark.parametrize("health", [Health.OFF, Health.REFUSING, Health.FROZEN])
def test_one_sites_view_alone_never_confirms(health: Health) -> None:
    scene = WELL.with_site(health, "dc1")

    only_dc2 = diagnose(without(scene, "wit-zk1"))
    only_witness = diagnose(without(scene, "dc2-app1", "dc2-app2"))

    for diagnosis in (only_dc2, only_witness):
        assert diagnosis.condition in PRIMARY_LOSSES
        assert diagnosis.main.certainty is Certainty.SUSPECTED
        assert "only" in diagnosis.main.missing


def test_a_few_failed_probes_are_no_loss() -> None:
    scene = replace(WELL.with_site(Health.OFF, "dc1"), streak=2)

    found = {finding.condition for finding in diagnose(picture(scene)).findings}

    assert not found & PRIMARY_LOSSES


def test_stale_views_count_neither_for_nor_against() -> None:
    full = picture(WELL.with_site(Health.OFF, "dc1"))
    old = tuple(
        replace(s, changed_ns=full.now_ns - 2_000_000_000) if s.view.site == "wit" else s
        for s in full.sightings
    )

    diagnosis = diagnose(replace(full, sightings=old))

    assert diagnosis.main.certainty is Certainty.SUSPECTED


def test_a_calm_view_counts_longer_until_anybody_sees_something_amiss() -> None:
    def aged(seen: Picture) -> Panel:
        return Panel(
            replace(
                seen,
                sightings=tuple(
                    replace(s, changed_ns=seen.now_ns - 1_500_000_000) if s.view.site == "wit" else s
                    for s in seen.sightings
                ),
            )
        )

    assert aged(picture(WELL)).speaking("wit")
    assert not aged(picture(WELL.with_site(Health.OFF, "dc1"))).speaking("wit")


def test_views_of_the_primarys_own_site_can_contradict_and_then_nobody_is_sure() -> None:
    # Nobody outside its site reaches the host; its neighbours, who do reach ZooKeeper, see it well.
    full = picture(WELL)
    silent = Signal(Outcome.SILENT, 5, 1500)
    sightings = tuple(
        replace(
            s,
            view=replace(
                s.view,
                databases=tuple(
                    replace(d, rest=silent, postgres=silent) if d.host == "dc1-db1" else d
                    for d in s.view.databases
                ),
            ),
        )
        if s.view.site != "dc1"
        else s
        for s in full.sightings
    )

    diagnosis = diagnose(replace(full, sightings=sightings))

    assert diagnosis.condition is Condition.VIEWS_DISAGREE
    assert not {finding.condition for finding in diagnosis.findings} & PRIMARY_LOSSES


def test_a_cut_data_link_is_no_loss_of_a_site() -> None:
    for scene in (WELL.with_cut(("dc1", "dc2")), WELL.with_cut(("dc1", "dc2"), one_way=True)):
        found = {finding.condition for finding in diagnose(picture(scene)).findings}
        assert not found & PRIMARY_LOSSES


def test_a_primary_cut_from_one_site_only_is_kept() -> None:
    found = {finding.condition for finding in diagnose(picture(WELL.with_cut(("dc1", "wit")))).findings}

    assert not found & PRIMARY_LOSSES


def test_a_host_in_maintenance_is_not_missed() -> None:
    scene = replace(WELL.with_health(Health.OFF, "dc2-db2"), maintenance=frozenset({"dc2-db2"}))

    assert diagnose(picture(scene)).condition is Condition.HEALTHY


def test_a_restart_ordered_through_patroni_is_no_crash() -> None:
    full = picture(WELL.with_health(Health.POSTGRES_DOWN, "dc1-db1"))
    sightings = tuple(
        replace(
            s,
            view=replace(
                s.view,
                databases=tuple(
                    replace(d, report=replace(d.report, state="restarting")) if d.report else d
                    for d in s.view.databases
                ),
            ),
        )
        for s in full.sightings
    )

    found = {finding.condition for finding in diagnose(replace(full, sightings=sightings)).findings}

    assert Condition.PRIMARY_PROCESS_DOWN not in found


def without_rest(seen: Picture, host: str, *sites: str) -> Picture:
    """The same picture, where Patroni on the host keeps the agents of some sites waiting."""
    mute = Signal(Outcome.MUTE, streak=5)
    sightings = tuple(
        replace(
            sighting,
            view=replace(
                sighting.view,
                databases=tuple(
                    replace(each, rest=mute, report=None) if each.host == host else each
                    for each in sighting.view.databases
                ),
            ),
        )
        if sighting.view.site in sites
        else sighting
        for sighting in seen.sightings
    )
    return replace(seen, sightings=sightings)


def test_a_crash_is_one_also_while_patroni_keeps_some_waiting() -> None:
    crash = picture(WELL.with_health(Health.POSTGRES_DOWN, "dc1-db1"))

    for sites in (("wit",), ("dc2",), ("dc1", "wit")):
        found = diagnose(without_rest(crash, "dc1-db1", *sites)).main
        assert (found.condition, found.certainty) == (Condition.PRIMARY_PROCESS_DOWN, Certainty.CONFIRMED)


def test_a_patroni_that_only_keeps_all_waiting_is_not_gone() -> None:
    well = without_rest(picture(WELL), "dc1-db1", "dc1", "dc2", "wit")

    assert diagnose(well).main.condition not in PRIMARY_LOSSES
