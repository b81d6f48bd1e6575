"""What probes add up to, what Patroni's answers and znodes mean, and what a configuration must say."""

import json
from types import SimpleNamespace

import pytest
import yaml

from failover.actuators.ports import Guarantee
from failover.agent_config import ConfigError, load
from failover.decide import Mode
from failover.estate_reader import record
from failover.probing import follow
from failover.targets import Probed, report_from
from failover.views import NEVER, LeaderKey, Outcome


def test_a_streak_counts_failures_of_any_kind_and_begins_anew_with_an_answer() -> None:
    signal, since = NEVER, 0.0
    seen = []
    for now, outcome in enumerate(
        [Outcome.ANSWERS, Outcome.ANSWERS, Outcome.MUTE, Outcome.SILENT, Outcome.SILENT, Outcome.ANSWERS]
    ):
        signal = follow(signal, Probed(outcome), since, float(now))
        since = float(now) if signal.streak == 1 else since
        seen.append((signal.outcome, signal.streak, signal.for_ms))

    assert [streak for _, streak, _ in seen] == [1, 2, 1, 2, 3, 1]
    assert seen[4] == (Outcome.SILENT, 3, 2000)


def test_patronis_report_of_a_primary_and_of_a_standby() -> None:
    primary = report_from(
        {"state": "running", "role": "primary", "timeline": 3, "xlog": {"location": 500}, "pause": True}
    )
    standby = report_from(
        {
            "state": "running",
            "role": "replica",
            "timeline": 3,
            "xlog": {"received_location": 400, "replayed_location": 390},
            "replication_state": "streaming",
        }
    )
    stopped = report_from({"state": "stopped", "role": "replica"})

    assert (primary.writable, primary.lsn, primary.paused) == (True, 500, True)
    assert (standby.writable, standby.lsn, standby.streaming) == (False, 400, True)
    assert (stopped.running, stopped.lsn, stopped.timeline) == (False, None, None)


def node(data: bytes, version: int = 0, owner: int = 0):
    return data, SimpleNamespace(version=version, ephemeralOwner=owner)


def test_patronis_znodes_as_a_record() -> None:
    found = record(
        node(b"dc1-db1", owner=0x77),
        node(b'{"leader":"dc1-db1","sync_standby":"dc1-db2,dc2-db1"}', version=9),
        node(b'{"ttl":20,"pause":true}'),
        node(b"{}"),
        ("dc1-db1", "dc1-db2"),
    )

    assert found.leader == LeaderKey("dc1-db1", 0x77)
    assert (found.sync.members, found.sync.version) == ({"dc1-db2", "dc2-db1"}, 9)
    assert (found.paused, found.failover_pending) == (True, False)


@pytest.mark.parametrize(
    "sync", [None, node(b""), node(b"{"), node(b"[]"), node(b'{"leader":"a","sync_standby":null}')]
)
def test_a_sync_key_that_says_nobody_means_nobody(sync) -> None:
    found = record(None, sync, None, None, ())

    assert found.leader is None
    assert found.sync.members == frozenset()


HOSTS = [
    {"name": "dc1-db1", "site": "dc1", "address": "192.0.2.1", "roles": ["database"]},
    {"name": "dc1-app1", "site": "dc1", "address": "192.0.2.2", "roles": ["application", "zookeeper"]},
    {"name": "dc2-db1", "site": "dc2", "address": "192.0.2.3", "roles": ["database"]},
    {"name": "wit-zk1", "site": "wit", "address": "192.0.2.4", "roles": ["zookeeper"]},
]
WHOLE = {
    "name": "wit-zk1",
    "hosts": HOSTS,
    "ca_file": "/etc/ca.pem",
    "certificate": "/etc/host.pem",
    "monitor_password": "m",
    "patroni_password": "p",
}


def written(tmp_path, **changes):
    path = tmp_path / "agent.yml"
    path.write_text(yaml.safe_dump({**WHOLE, **changes}))
    return path


def test_a_configuration_is_read_into_types(tmp_path) -> None:
    config = load(
        written(
            tmp_path,
            policy={"mode": "observe-only", "anti_flap_s": 60},
            fencing={"off": ["fence", "{host}"], "on": ["unfence", "{host}"], "guarantee": "certain"},
        )
    )

    assert config.policy.mode is Mode.OBSERVE
    assert config.fencing.guarantee is Guarantee.CERTAIN
    assert [each.name for each in config.observers] == ["dc1-app1", "wit-zk1"]
    assert config.witness_sites == {"wit"}
    assert "monitor_password" not in repr(config)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": "dc1-db1"}, "neither an application host"),
        ({"polcy": {}}, "polcy"),
        ({"policy": {"mode": "sometimes"}}, "sometimes"),
        ({"hosts": [{**HOSTS[0], "roles": ["databse"]}]}, "databse"),
        ({"thresholds": {"probe": 3}}, "probe"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_named(tmp_path, changes, text) -> None:
    with pytest.raises(ConfigError, match=text):
        load(written(tmp_path, **changes))


def test_a_missing_file_and_a_missing_key_are_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml"):
        load(tmp_path / "nowhere.yml")
    path = tmp_path / "agent.yml"
    path.write_text(json.dumps({key: value for key, value in WHOLE.items() if key != "ca_file"}))
    with pytest.raises(ConfigError, match="ca_file"):
        load(path)


def test_the_nearest_zookeeper_comes_first(tmp_path) -> None:
    far = {"name": "dc2-app1", "site": "dc2", "address": "192.0.2.5", "roles": ["application", "zookeeper"]}
    path = tmp_path / "agent.yml"
    path.write_text(yaml.safe_dump({**WHOLE, "name": "dc1-app1", "hosts": [far, *HOSTS]}))

    found = [node.name for node in load(path).zookeepers_by_distance]

    assert found == ["dc1-app1", "wit-zk1", "dc2-app1"]
