"""What the interfaces answer, word for word, and what is made of it."""

import contextlib
import json
from pathlib import Path

import kazoo.handlers.utils
import pytest

from failover.model import LeaderKey, Pool, Role, Serves, TimelineSwitch
from failover.observe.application import api_from, pools_from, proxy_from
from failover.observe.patroni import member_from
from failover.observe.postgres import database_from
from failover.observe.problems import divergence
from failover.observe.zookeeper import (
    CONNECT_S,
    HASTY_CONNECT_S,
    PromptHandler,
    coordination_from,
    server_from,
)

DIVERGED = Path(__file__).parent
CLUSTER = {
    "members": [
        {"name": "dc1-db1", "role": "leader", "state": "running", "timeline": 3},
        {"name": "dc2-db1", "role": "sync_standby", "state": "streaming", "timeline": 3, "lag": 0},
    ],
    "scope": "crm",
}
PRIMARY = {
    "state": "running",
    "role": "primary",
    "server_version": 170011,
    "xlog": {"location": 100663648},
    "timeline": 3,
    "dcs_last_seen": 1763757600,
    "database_system_identifier": "7574965474545463211",
    "patroni": {"version": "4.1.5", "scope": "crm", "name": "dc1-db1"},
}


def test_a_running_primary_by_patroni():
    member = member_from(PRIMARY, CLUSTER)
    assert (member.role, member.state, member.timeline) == (Role.PRIMARY, "running", 3)
    assert member.leader_seen == "dc1-db1"
    assert member.version == "4.1.5"
    assert not member.paused
    assert not member.switchover_scheduled
    assert member.dcs_last_seen.isoformat() == "2025-11-21T20:40:00+00:00"


def test_a_member_that_does_not_run_is_an_answer():
    member = member_from(
        {"state": "stopped", "role": "replica", "pause": True}, {"members": [], "pause": True}
    )
    assert (member.role, member.state, member.timeline) == (Role.STANDBY, "stopped", None)
    assert member.paused
    assert member.leader_seen is None


@pytest.mark.parametrize("answer", [[], {}, {"detail": "Not found"}])
def test_a_stranger_is_not_taken_for_patroni(answer):
    with pytest.raises(ValueError, match="not Patroni"):
        member_from(answer, CLUSTER)


SRVR = """Zookeeper version: 3.9.3-${mvngit.commit.id}, built on 2024-11-03 13:51 UTC
Latency min/avg/max: 0/0.4194/16
Received: 1234
Sent: 1250
Connections: 6
Outstanding: 0
Zxid: 0x100000023
Mode: leader
Node count: 21
Proposal sizes last/min/max: 48/48/680
"""
MNTR = """zk_version\t3.9.3-${mvngit.commit.id}, built on 2024-11-03 13:51 UTC
zk_server_state\tleader
zk_avg_latency\t0.4194
zk_outstanding_requests\t0
zk_num_alive_connections\t6
zk_synced_followers\t4.0
"""


def test_a_zookeeper_leader():
    state = server_from(SRVR, MNTR)
    assert (state.mode, state.version, state.zxid) == ("leader", "3.9.3", 0x100000023)
    assert (state.synced_followers, state.connections, state.latency_avg_ms) == (4, 6, 0.4194)


def test_a_server_that_diverged():
    """The words of a real one, 32 transactions after it missed 20 (decision 0204's experiment)."""
    srvr, mntr = ((DIVERGED / f"diverged.{word}").read_text() for word in ("srvr", "mntr"))
    state = server_from(srvr, mntr)
    assert (state.mode, state.version, state.digest_mismatches) == ("follower", "3.9.3", 32)
    assert "32 digest mismatches" in (divergence(state) or "")
    assert divergence(server_from(SRVR, MNTR)) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("This ZooKeeper instance is not currently serving requests\n", "no quorum"),
        ("mntr is not executed because it is not in the whitelist.\n", "whitelist"),
        ("HTTP/1.1 400 Bad Request\r\n", "not ZooKeeper"),
        ("", "not ZooKeeper"),
    ],
)
def test_a_zookeeper_that_serves_nobody(answer, reason):
    with pytest.raises(ValueError, match=reason):
        server_from(answer, answer)


def znode(value, owner=0, version=0, czxid=0):
    return (value if isinstance(value, bytes) else json.dumps(value).encode()), owner, version, czxid


def test_patronis_keys():
    keys = coordination_from(
        leader=znode(b"dc1-db1", owner=0x1000012, version=0, czxid=77),
        sync=znode({"leader": "dc1-db1", "sync_standby": "dc2-db1,dc1-db2"}),
        config=znode({"ttl": 20, "pause": True}),
        history=znode(
            [[1, 50331648, "no recovery target specified", "2025-11-21T20:00:00+00:00", "dc2-db1"]]
        ),
    )
    assert keys.leader == LeaderKey("dc1-db1", session=0x1000012, version=0, czxid=77)
    assert keys.sync_standbys == ("dc1-db2", "dc2-db1")
    assert keys.paused
    assert keys.history == (TimelineSwitch(1, 50331648, "2025-11-21T20:00:00+00:00", "dc2-db1"),)


def test_an_empty_cluster_has_no_keys():
    keys = coordination_from(None, znode({"leader": None, "sync_standby": None}), None, znode(b""))
    assert (keys.leader, keys.sync_standbys, keys.paused, keys.history) == (None, (), False, ())


def test_a_history_line_of_an_old_patroni():
    keys = coordination_from(None, None, None, znode([[1, 50331648, "no recovery target specified"]]))
    assert keys.history == (TimelineSwitch(1, 50331648, None, None),)


HAPROXY = """# pxname,svname,qcur,qmax,scur,smax,slim,stot,status,weight,
primary,FRONTEND,,,1,2,2000,3,OPEN,,
primary,dc1-db1,0,0,4,8,,9,UP,1,
primary,dc1-db2,0,0,0,0,,0,DOWN,1,
primary,dc2-db1,2,0,0,0,,0,UP 1/2,1,
primary,BACKEND,0,0,4,8,200,9,UP,1,
"""


def test_haproxys_servers_without_the_totals():
    servers = proxy_from(HAPROXY)
    assert [(each.server, each.up, each.sessions, each.queued) for each in servers] == [
        ("dc1-db1", True, 4, 0),
        ("dc1-db2", False, 0, 0),
        ("dc2-db1", True, 0, 2),
    ]
    with pytest.raises(ValueError, match="not HAProxy"):
        proxy_from("<html>")


def test_pools_among_the_other_metrics():
    text = """# HELP crm_pool_connections Connections of the pools, by state
# TYPE crm_pool_connections gauge
crm_pool_connections{route="primary",state="idle"} 7.0
crm_pool_connections{route="primary",state="used"} 1.0
crm_pool_waiting{route="primary"} 2.0
crm_pool_connections{route="replica",state="idle"} 4.0
crm_http_request_seconds_count{method="GET",route="/x",status="200"} 12.0
"""
    assert pools_from(text) == (
        Pool("primary", idle=7, used=1, waiting=2),
        Pool("replica", idle=4, used=0, waiting=0),
    )


def test_the_apis_readiness():
    state = api_from({"serves": "reads", "role": "standby", "timeline": 3, "site": "dc1", "host": "dc1-app1"})
    assert (state.serves, state.role, state.timeline, state.host) == (Serves.READS, "standby", 3, "dc1-app1")


@pytest.mark.parametrize("lag", [0, 4096, None])
def test_the_lag_of_an_api_s_replica_may_be_unknown(lag):
    assert api_from({"serves": "reads", "role": "standby", "lag_bytes": lag}).lag_bytes == lag


@pytest.mark.parametrize("body", [["ok"], {}, {"serves": "tea"}])
def test_a_stranger_is_not_taken_for_the_api(body):
    with pytest.raises(ValueError, match=r"not the API|not a valid Serves"):
        api_from(body)


def test_a_databases_row():
    standby = {
        "name": "dc2-db1",
        "state": "streaming",
        "sync_state": "sync",
        "lag_bytes": 0,
        "replay_lag_bytes": 512,
        "replay_lag_s": None,
    }
    state = database_from(
        {
            "standby": False,
            "timeline": 3,
            "flush_lsn": 1024,
            "replay_lsn": 1024,
            "replay_lag_s": None,
            "synchronous_standby_names": '2 ("dc1-db2","dc2-db1")',
            "standbys": [standby],
        }
    )
    assert (state.role, state.timeline, state.standbys[0].replay_lag_bytes) == (Role.PRIMARY, 3, 512)


def test_a_silent_zookeeper_is_given_up_soon_and_a_shorter_patience_is_kept(monkeypatch):
    given = []

    def connected(*_, timeout, **__):
        given.append(timeout)
        if len(given) > 1:
            raise TimeoutError

    monkeypatch.setattr(kazoo.handlers.utils, "create_tcp_connection", connected)
    handler = PromptHandler()
    for timeout in (40.0, None, 0.2, 40.0, 40.0, 40.0, 40.0, 0.2):
        with contextlib.suppress(TimeoutError):
            handler.create_connection(address=("192.0.2.1", 2181), timeout=timeout)
    assert given == [HASTY_CONNECT_S, HASTY_CONNECT_S, 0.2, *[HASTY_CONNECT_S] * 3, CONNECT_S, 0.2]
