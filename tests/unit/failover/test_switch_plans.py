"""Who is chosen for a planned switch, which checks it has to pass, and what it would cost."""

from dataclasses import replace

import pytest

from failover.desk import OrderRefusedError
from failover.inspection import Inspection, Server, Stream, server_from
from failover.model import Unreachable, ZooKeeperState
from failover.panel import Panel
from failover.plan import Operation
from failover.planners import choose_switch, plan_of
from failover.preflight import Ends, check, summary
from failover.proof.scenery import Health, Scene, picture
from failover.requests import Request
from failover.stall import REFERENCE

ENDS = Ends("dc1-db1", "dc2-db1")
PRIMARY = Server(
    standby=False,
    version="17.11",
    timeline=3,
    flush_lsn=1000,
    replay_bytes=0,
    unflushed_bytes=30_000_000,
    checkpoint_age_s=60.0,
    longest_transaction_s=0.02,
    streams={"dc2-db1": Stream("streaming", 0, 0.004)},
    settings={"max_connections": "100"},
)
STANDBY = replace(PRIMARY, standby=True, streams={}, longest_transaction_s=0.0)
SERVES = ZooKeeperState("follower", "3.9.3", 1, 0.1, 0, 3, None)
SERVERS = dict.fromkeys(("a", "b", "c", "d", "e"), SERVES)


def found(primary=PRIMARY, standby=STANDBY, zookeepers=None) -> Inspection:
    return Inspection({"dc1-db1": primary, "dc2-db1": standby}, zookeepers or SERVERS)


def failing(inspection: Inspection, scene: Scene | None = None) -> list[str]:
    items = check(Panel(picture(scene or Scene())), ENDS, inspection)
    return [item.name for item in items if not item.holds]


def order(**arguments) -> Request:
    return Request.of(Operation.SWITCHOVER, name="a", by="operator", reason="test", at=100.0, **arguments)


def test_a_healthy_estate_passes_every_check() -> None:
    assert failing(found()) == []
    assert "settings: 1 alike" in summary(check(Panel(picture(Scene())), ENDS, found()))


@pytest.mark.parametrize(
    ("inspection", "name"),
    [
        (found(replace(PRIMARY, longest_transaction_s=3.0)), "no long transaction"),
        (found(replace(PRIMARY, streams={})), "lag"),
        (found(replace(PRIMARY, streams={"dc2-db1": Stream("catchup", 0, None)})), "lag"),
        (found(replace(PRIMARY, streams={"dc2-db1": Stream("streaming", 10**9, None)})), "lag"),
        (found(replace(PRIMARY, streams={"dc2-db1": Stream("streaming", None, None)})), "lag"),
        (found(standby=replace(STANDBY, replay_bytes=10**9)), "replay"),
        (found(standby=replace(STANDBY, timeline=2)), "timeline"),
        (found(standby=replace(STANDBY, version="17.10")), "version"),
        (found(standby=replace(STANDBY, settings={"max_connections": "50"})), "settings"),
        (found(standby=replace(STANDBY, standby=False)), "roles"),
        (found(standby=Unreachable("connection refused")), "dc2-db1"),
        (found(zookeepers={**SERVERS, "e": Unreachable("no answer")}), "ZooKeeper quorum"),
        (found(zookeepers={**SERVERS, "e": replace(SERVES, digest_mismatches=1)}), "ZooKeeper trees"),
    ],
)
def test_each_check_fails_for_its_own_reason(inspection, name) -> None:
    assert failing(inspection) == [name]


@pytest.mark.parametrize(
    ("scene", "name"),
    [
        (Scene(leader="dc1-db2"), "primary"),
        (Scene(sync=frozenset()), "synchronous set"),
        (Scene(paused=True), "Patroni"),
        (Scene(pools_paused={"dc1-app1": "op-0"}), "pools"),
        (Scene().with_health(Health.OFF, "dc1-app1"), "pools"),
    ],
)
def test_what_the_agents_see_is_checked_too(scene, name) -> None:
    assert failing(found(), scene) == [name]


def test_a_synchronous_host_of_the_site_is_chosen() -> None:
    switch = choose_switch(picture(Scene()), order(site="dc2"))

    assert (switch.candidate, switch.widen_from) == ("dc2-db1", None)


def test_a_host_that_is_not_synchronous_is_made_so_first() -> None:
    switch = choose_switch(picture(Scene()), order(host="dc2-db2"))

    assert switch.widen_from is not None
    names = [step.name for step in plan_of(switch, found(), REFERENCE).steps]
    assert names.index("synchronous") < names.index("pause")
    assert names.index("verify") < names.index("narrow")


def test_nobody_is_chosen_who_does_not_stream() -> None:
    scene = Scene(not_streaming=frozenset({"dc2-db1"})).with_health(Health.OFF, "dc2-db2")

    with pytest.raises(OrderRefusedError, match="none streams"):
        choose_switch(picture(scene), order(site="dc2"))


def test_the_expected_stall_follows_the_live_figures() -> None:
    switch = choose_switch(picture(Scene()), order(site="dc2"))
    held_up = found(replace(PRIMARY, longest_transaction_s=0.9, unflushed_bytes=3 * 10**9))
    quiet, busy = (plan_of(switch, each, REFERENCE).stall for each in (found(), held_up))

    assert quiet is not None
    assert busy is not None
    assert busy.seconds > quiet.seconds + 0.9
    assert busy.worst_s > quiet.worst_s + 0.9
    assert plan_of(switch, found(Unreachable("silent")), REFERENCE).stall is None


def test_a_row_of_postgresql_becomes_a_server() -> None:
    row = {
        "standby": False,
        "version": "17.11",
        "flush_lsn": 7,
        "timeline": 1,
        "replay_bytes": 0,
        "unflushed_bytes": 0,
        "checkpoint_age_s": 1.0,
        "longest_transaction_s": 0.0,
        "standbys": {"dc2-db1": ["streaming", 0, None]},
        "settings": {"a": "b"},
    }

    assert server_from(row).streams == {"dc2-db1": Stream("streaming", 0, None)}
