import json
from dataclasses import replace

import pytest

from failover.model import Coordination, Role, Serves, Unreachable
from failover.observe.document import status_document
from failover.observe.problems import Health, Severity, health, problems
from tests.unit.failover.observe.estates import (
    API,
    SILENT,
    STANDBYS,
    database,
    healthy,
    member,
    silent,
    standby_row,
    state,
    with_database,
)


def codes(view):
    return [problem.code for problem in problems(view)]


def primary_sees(view, *standbys):
    return with_database(view, "dc1-db1", postgres=state(Role.PRIMARY, standbys=standbys))


def test_a_healthy_estate_has_no_problem():
    assert problems(healthy()) == ()
    assert health(healthy()) is Health.HEALTHY


def test_silence_everywhere_is_down():
    assert health(silent()) is Health.DOWN


def test_one_answer_is_enough_not_to_be_down():
    view = silent()
    view = replace(view, databases=(database(view.databases[0].node), *view.databases[1:]))
    assert health(view) is Health.DEGRADED


def test_no_primary():
    view = with_database(healthy(), "dc1-db1", postgres=state(Role.STANDBY))
    assert "no-primary" in codes(view)


def test_two_writers_are_named_and_come_first():
    view = with_database(healthy(), "dc2-db1", postgres=state(Role.PRIMARY))
    first = problems(view)[0]
    assert (first.code, first.severity) == ("several-primaries", Severity.CRITICAL)
    assert "dc1-db1, dc2-db1" in first.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"leader": None}, "leader-key-missing"),
        ({"config": {"pause": True}}, "patroni-paused"),
    ],
)
def test_patronis_keys(changes, code):
    view = healthy()
    assert isinstance(view.coordination, Coordination)
    assert codes(replace(view, coordination=replace(view.coordination, **changes))) == [code]


def test_the_key_is_with_another_than_the_writer():
    view = healthy()
    key = replace(view.coordination.leader, name="dc2-db1")
    view = replace(view, coordination=replace(view.coordination, leader=key))
    assert codes(view) == ["leader-key-mismatch"]


def test_a_commit_that_waits_for_the_own_site_only():
    remote = (standby_row(name, sync_state="async") for name in ("dc2-db1", "dc2-db2"))
    view = primary_sees(healthy(), STANDBYS[0], *remote)
    assert codes(view) == ["no-remote-copy", "synchronous-set-short"]


def test_two_remote_copies_are_fine():
    local = standby_row("dc1-db2", sync_state="potential")
    view = primary_sees(healthy(), local, standby_row("dc2-db1"), standby_row("dc2-db2"))
    assert codes(view) == []


@pytest.mark.parametrize(
    ("standby", "code"),
    [
        (standby_row("dc2-db2", state="catchup", sync_state="potential"), "standby-not-streaming"),
        (standby_row("dc2-db2", replay_lag_bytes=2**30, sync_state="potential"), "standby-lagging"),
    ],
)
def test_a_standby_as_the_primary_sees_it(standby, code):
    assert codes(primary_sees(healthy(), *STANDBYS[:2], standby)) == [code]


def test_a_standby_that_is_not_connected():
    assert codes(primary_sees(healthy(), *STANDBYS[:2])) == ["standby-not-streaming"]


def test_a_standby_on_an_old_timeline():
    view = with_database(healthy(), "dc2-db2", postgres=state(Role.STANDBY, timeline=2))
    assert codes(view) == ["timeline-behind"]


def test_a_silent_database_host():
    view = with_database(healthy(), "dc2-db2", postgres=SILENT, patroni=SILENT)
    assert codes(view) == ["patroni-unreachable", "postgresql-unreachable"]


def test_a_setting_that_waits_for_a_restart():
    view = with_database(healthy(), "dc2-db2", patroni=member(pending_restart=True))
    assert codes(view) == ["pending-restart"]


@pytest.mark.parametrize(("lost", "quorum"), [(2, True), (3, False)])
def test_zookeepers_majority(lost, quorum):
    view = healthy()
    servers = tuple(replace(z, state=SILENT) if i < lost else z for i, z in enumerate(view.zookeepers))
    found = codes(replace(view, zookeepers=servers))
    assert found.count("zookeeper-unreachable") == lost
    assert ("zookeeper-no-quorum" in found) is not quorum


def test_a_zookeeper_server_with_another_tree_is_named_with_the_remedy():
    view = healthy()
    first, *others = view.zookeepers
    view = replace(
        view, zookeepers=(replace(first, state=replace(first.state, digest_mismatches=32)), *others)
    )
    (found,) = problems(view)
    assert (found.code, found.subject) == ("zookeeper-diverged", first.node.name)
    assert found.severity is Severity.CRITICAL
    assert "move version-2 away" in found.text
    assert status_document(view)["zookeeper"][first.node.name]["state"]["digest_mismatches"] == 32


def test_haproxy_that_routes_nowhere():
    view = healthy()
    first = view.applications[0]
    down = tuple(replace(server, up=False) for server in first.proxy)
    view = replace(view, applications=(replace(first, proxy=down), *view.applications[1:]))
    assert [(p.code, p.subject) for p in problems(view)] == [("route-to-primary", "dc1-app1")]


def test_an_entry_that_does_not_answer_and_one_that_is_not_ready():
    view = healthy()
    one, other = view.entries
    view = replace(
        view, entries=(replace(one, api=SILENT), replace(other, api=replace(API, serves=Serves.READS)))
    )
    assert codes(view) == ["entry-unreachable", "entry-not-writing"]


def test_the_document_is_json_and_keeps_its_shape():
    view = with_database(healthy(), "dc2-db2", patroni=Unreachable("refused"))
    document = json.loads(json.dumps(status_document(view)))
    assert document["version"] == 1
    assert document["health"] == "degraded"
    assert document["primary"] == "dc1-db1"
    assert document["synchronous_standbys"] == ["dc1-db2", "dc2-db1"]
    assert document["databases"]["dc2-db2"]["patroni"] == {"unreachable": "refused"}
    assert document["databases"]["dc1-db1"]["site"] == "dc1"
    assert document["databases"]["dc1-db1"]["postgres"]["role"] == "primary"
    assert document["problems"][0] == {
        "severity": "critical",
        "code": "patroni-unreachable",
        "subject": "dc2-db2",
        "text": "Patroni: refused",
    }
