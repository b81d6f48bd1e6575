"""The database as it runs: durable on both sites, closed to the network but for the right ones."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.lab.provisioning.conftest import hosts_of
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

DATABASES = hosts_of("postgresql")


@pytest.fixture(scope="module")
def primary(provisioned) -> str:
    def leader() -> str:
        with provisioned.client() as client:
            found = client.get(f"https://{provisioned.address(DATABASES[0])}:8008/cluster").json()["members"]
        leaders = [member["name"] for member in found if member["role"] == "leader"]
        assert len(leaders) == 1, found
        return str(leaders[0])

    return until(leader)


@pytest.fixture
def connect(provisioned):
    """Opens a session the operator's way: TLS, verified, with the role's password."""
    secrets = provisioned.store.read()

    def open_session(host: str, role: str = "postgres", database: str = "postgres", **settings: str):
        return psycopg.connect(
            host=provisioned.address(host),
            user=role,
            dbname=database,
            connect_timeout=20,
            autocommit=True,
            sslrootcert=str(provisioned.store.ca_certificate),
            **{"password": secrets.named(f"{role}_password"), "sslmode": "verify-full", **settings},
        )

    return open_session


def value(session: psycopg.Connection, query: str):
    row = session.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_one_synchronous_standby_stands_in_the_other_site(provisioned, connect, primary):
    """A busy standby is silent for wal_sender_timeout now and then, and taken back at once."""

    def whole() -> None:
        with connect(primary) as session:
            rows = session.execute(
                "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync'"
            )
            synchronous = [name for (name,) in rows]
            named = value(session, "SHOW synchronous_standby_names")
        sites = {provisioned.estate.hosts[name].site for name in synchronous}
        assert len(synchronous) == 2
        assert sites - {provisioned.estate.hosts[primary].site}, synchronous
        assert named.startswith("2 (")  # priority mode: FIRST is implied, ANY would be quorum mode

    until(whole)


def test_every_standby_streams_over_tls(connect, primary):
    def streaming() -> None:
        with connect(primary) as session:
            rows = session.execute(
                "SELECT application_name, state, ssl, version "
                "FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"
            ).fetchall()
        assert sorted(row[0] for row in rows) == sorted(set(DATABASES) - {primary})
        assert {row[1:] for row in rows} == {("streaming", True, "TLSv1.3")}

    until(streaming)


@pytest.mark.parametrize("host", DATABASES)
def test_settings_that_durability_rests_on_hold_on_every_member(connect, host):
    wanted = {
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "restart_after_crash": "off",
        "wal_sender_timeout": "2s",
        "jit": "off",
        "password_encryption": "scram-sha-256",
    }
    with connect(host) as session:
        assert {name: value(session, f"SHOW {name}") for name in wanted} == wanted
        assert value(session, "SELECT count(*) FROM pg_settings WHERE pending_restart") == 0


@pytest.mark.parametrize("host", DATABASES)
def test_the_kernel_tells_patroni_when_its_postmaster_ends(on, host):
    """Patroni itself looks only once a loop (run_patroni.py)."""

    def watched() -> None:
        patroni = on(host).check_output("systemctl show --property MainPID --value patroni")
        postmaster = on(host).check_output("cat /var/lib/postgresql/*/*/postmaster.pid | head -n 1")
        found = on(host).check_output(f"grep -sh ^Pid: /proc/{patroni}/fdinfo/*")
        assert postmaster in found.replace("Pid:", "").split()

    until(watched)


def told_by_patroni(host, script: str) -> list[str]:
    """The lines that a script prints in that host's Patroni, as our wrapper (run_patroni.py) imports it."""
    imports = "import sys, types; sys.path.insert(0, '/usr/local/lib/twinsite'); import run_patroni\n"
    return host.check_output(
        "%s -c %s", "/opt/twinsite/patroni/venv/bin/python", imports + script
    ).splitlines()


@pytest.mark.parametrize("host", DATABASES)
def test_patroni_chooses_no_standby_that_claims_more_than_it_was_sent(on, host):
    """The query that this very Patroni puts together, asked without a server (run_patroni.py)."""
    script = (
        "from patroni import global_config\n"
        "type(global_config).is_synchronous_mode = True\n"
        "server = types.SimpleNamespace(wal_name='wal', lsn_name='lsn', wal_flush='', role='primary',"
        " TL_LSN='', _major_version=170000, _should_query_slots=False, can_advance_slots=False,"
        " slots_handler=types.SimpleNamespace(pg_replication_slots_query=lambda _: ''))\n"
        "for change in (lambda: None, run_patroni.believe_only_what_was_sent):\n"
        "    change(); print(run_patroni.Postgresql.cluster_info_query.fget(server))\n"
    )
    shipped, ours = told_by_patroni(on(host), script)

    assert "WHERE w.state = 'streaming')" in shipped
    assert "WHERE w.state = 'streaming' AND w.flush_lsn <= w.sent_lsn)" in ours


@pytest.mark.parametrize("host", DATABASES)
def test_a_patroni_whose_postmaster_has_ended_leaves_its_synchronous_standbys(on, host):
    """Running, ended and not yet reaped, and unknown (run_patroni.py)."""
    script = (
        "import os, subprocess\n"
        "asked = []\n"
        "run_patroni.Ha.process_sync_replication = lambda ha: asked.append(ha)\n"
        "run_patroni.keep_synchronous_ones_of_the_dead()\n"
        "ended = subprocess.Popen(['true']); os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)\n"
        "for found in (os.getpid(), ended.pid, None):\n"
        "    postmaster = found and types.SimpleNamespace(pid=found)\n"
        "    server = types.SimpleNamespace(is_running=lambda: postmaster)\n"
        "    run_patroni.Ha.process_sync_replication(types.SimpleNamespace(state_handler=server))\n"
        "    print(len(asked))\n"
    )
    assert told_by_patroni(on(host), script) == ["1", "1", "1"]


@pytest.mark.parametrize("host", DATABASES)
def test_an_order_to_hand_over_wakes_the_patroni_that_it_is_for(on, host):
    """Whatever stands in /failover (run_patroni.py)."""
    script = (
        "woken, watching = [], {}\n"
        "run_patroni.DataWatch = lambda client, path, told: watching.update({path: told})\n"
        "ha = types.SimpleNamespace(\n"
        "    dcs=types.SimpleNamespace(_client=None, failover_path='/failover'),\n"
        "    state_handler=types.SimpleNamespace(name='me'), wakeup=lambda: woken.append(1))\n"
        "run_patroni.Watchman().knows(ha)\n"
        'for order in (None, b\'\', b\'{}\', b\'{"leader": "other", "member": "me"}\',\n'
        '              b\'{"leader": "me", "member": "other"}\'):\n'
        "    watching['/failover'](order, None); print(len(woken))\n"
    )
    assert told_by_patroni(on(host), script) == ["0", "0", "0", "0", "1"]


@pytest.mark.parametrize("host", DATABASES)
def test_patroni_sleeps_no_longer_than_it_needs(on, host):
    """Until the lock is taken, until standbys are synchronous; elsewhere for as long as it wants."""
    script = (
        "import time\n"
        "from patroni import ha as module\n"
        "from patroni.ha import Ha\n"
        "seen = []\n"
        "def there(times):\n"
        "    seen.append(1); return len(seen) >= times\n"
        "Ha.process_unhealthy_cluster = Ha.process_sync_replication = lambda ha: module.time.sleep(30)\n"
        "run_patroni.sleep_no_longer_than_needed()\n"
        "client = types.SimpleNamespace(exists=lambda path: path == '/leader' and there(3) or None)\n"
        "found = types.SimpleNamespace(active={'a', 'b'}, sync={'a'}, sync_confirmed=set())\n"
        "def look(cluster):\n"
        "    if there(3): found.sync_confirmed = {'a'}\n"
        "    return found\n"
        "ha = types.SimpleNamespace(cluster=None,\n"
        "    dcs=types.SimpleNamespace(_client=client, leader_path='/leader'),\n"
        "    state_handler=types.SimpleNamespace(reset_cluster_info_state=lambda _: None,\n"
        "        sync_handler=types.SimpleNamespace(current_state=look)))\n"
        "for napping in (Ha.process_unhealthy_cluster, Ha.process_sync_replication):\n"
        "    seen.clear(); began = time.monotonic(); napping(ha)\n"
        "    print(len(seen), time.monotonic() - began < 15)\n"
        "began = time.monotonic(); module.time.sleep(0.5); print(time.monotonic() - began >= 0.5)\n"
    )
    assert told_by_patroni(on(host), script) == ["3 True", "3 True", "True"]


@pytest.mark.parametrize("host", DATABASES)
def test_a_new_primary_without_a_synchronous_standby_looks_again_soon(on, host):
    """Not one that has one, and not an old one (run_patroni.py)."""
    script = (
        "import threading, time\n"
        "run_patroni.LOOKS_FOR_STANDBYS_EVERY_S = 0.1\n"
        "process = run_patroni.looking_again_soon(lambda ha: None)\n"
        "for promoted_at, synchronous in ((time.monotonic(), ''), (time.monotonic(), 'a'), (0.0, '')):\n"
        "    woken, found = threading.Event(), types.SimpleNamespace(sync=synchronous)\n"
        "    handler = types.SimpleNamespace(current_state=lambda cluster: found)\n"
        "    server = types.SimpleNamespace(promoted_at=promoted_at, sync_handler=handler)\n"
        "    process(types.SimpleNamespace(cluster=None, state_handler=server, wakeup=woken.set))\n"
        "    print(woken.wait(2))\n"
    )
    assert told_by_patroni(on(host), script) == ["True", "False", "False"]


@pytest.mark.parametrize("host", DATABASES)
def test_no_account_trusts_and_none_comes_without_tls(connect, host):
    with connect(host) as session:
        rows = session.execute("SELECT type, auth_method, error FROM pg_hba_file_rules").fetchall()
    assert {row[:2] for row in rows} == {
        ("local", "peer"),
        ("local", "scram-sha-256"),
        ("hostssl", "scram-sha-256"),
    }
    assert {row[2] for row in rows} == {None}


def test_the_server_refuses_a_session_without_tls(connect, primary):
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba.conf entry .* no encryption"):
        connect(primary, sslmode="disable")


def test_the_server_refuses_a_wrong_password(connect, primary):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(primary, password="wrong")


def test_roles_may_what_the_architecture_says(connect, primary):
    with connect(primary, database="crm") as session:
        rows = session.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles "
            "WHERE rolname IN ('crm_owner', 'crm_app', 'crm_audit', 'monitor') ORDER BY rolname"
        ).fetchall()
        owned_by_app = value(session, "SELECT count(*) FROM pg_class WHERE relowner = 'crm_app'::regrole")
        public_may_connect = value(session, "SELECT has_database_privilege('rewind_user', 'crm', 'CONNECT')")
    assert rows == [
        ("crm_app", False, False, False, False),
        ("crm_audit", False, False, False, True),
        ("crm_owner", False, False, False, False),
        ("monitor", False, False, False, False),
    ]
    assert owned_by_app == 0
    assert not public_may_connect


def test_the_auditor_reads_everywhere_and_writes_nowhere(connect):
    for host in DATABASES:
        with connect(host, role="crm_audit", database="crm") as session:
            assert value(session, "SELECT count(*) FROM crm.customer") >= 0
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                session.execute("CREATE TEMPORARY TABLE scratch ()")


class TestPatroniRest:
    def test_reading_needs_no_certificate(self, provisioned):
        with provisioned.client(certificate=False) as client:
            answer = client.get(f"https://{provisioned.address(DATABASES[0])}:8008/patroni")
        assert answer.json()["patroni"]["scope"] == "crm"

    def test_changing_needs_a_certificate(self, provisioned):
        with provisioned.client(certificate=False) as client:
            answer = client.patch(f"https://{provisioned.address(DATABASES[0])}:8008/config", json={})
        assert answer.status_code == 403

    def test_changing_needs_the_password_too(self, provisioned):
        with provisioned.client() as client:
            answer = client.patch(f"https://{provisioned.address(DATABASES[0])}:8008/config", json={})
        assert answer.status_code == 401


def test_the_pools_reach_primary_and_replica_over_tls(on, connect, primary):
    """The API's sessions on the primary come through HAProxy and PgBouncer, yet are encrypted end to end."""
    with connect(primary) as session:
        rows = session.execute(
            "SELECT DISTINCT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'crm_app'"
        ).fetchall()
    assert rows == [(True,)]
    curl = "curl -s --max-time 20 http://127.0.0.1:8000/health/ready"

    def serves_writes() -> None:
        assert json.loads(on(hosts_of("application")[0]).check_output(curl))["serves"] == "writes"

    until(serves_writes)
