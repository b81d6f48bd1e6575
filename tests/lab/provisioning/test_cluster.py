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
