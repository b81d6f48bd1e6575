"""What the drill reads from real nodes: a primary and a standby of it, both PostgreSQL as installed."""

import http.server
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from app.devserver import (
    THROWAWAY,
    CrmDatabase,
    PrivateServer,
    create_crm_database,
    free_port,
    running_server,
)
from app.roles import Role
from failover.drills.history import read
from failover.drills.model import Entry
from failover.drills.observer import Observed, Pace, SamplingObserver
from failover.drills.probe import Answer, WriterProbe
from failover.drills.state import SqlStateReader

CUSTOMER = (
    "INSERT INTO crm.customer (id, kind, stage, name, external_id, given, created_at, updated_at) VALUES "
)
FILL = (
    CUSTOMER + "(gen_random_uuid(), 'person', 'lead', 'Иван', 'r1:operator-1:1', '{}', now(), now())",
    CUSTOMER + "(gen_random_uuid(), 'person', 'lead', 'Иван', 'r1:operator-1:1', '{}', now(), now())",
    CUSTOMER + "(gen_random_uuid(), 'person', 'lead', 'Иван', 'r10:operator-1:1', '{}', now(), now())",
    """INSERT INTO crm.request
           (id, channel, topic, subject, body, status, external_id, created_at)
       VALUES ('00000000-0000-7000-8000-000000000001', 'call', 't', 's', 'b', 'new',
               'r1:operator-1:2', now())""",
    """INSERT INTO crm.request_event (request_id, version, kind, at, actor, note)
       VALUES ('00000000-0000-7000-8000-000000000001', 1, 'taken', now(), 'x', 'r1:operator-1:3')""",
    """INSERT INTO crm.card_transaction (processing_id, card_token, occurred_at)
       VALUES ('r1:feed-1:1', 't', now()), ('r1:feed-1:2', 't', now()), ('r1:feed-1:2:1', 't', now()),
              ('r10:feed-1:3', 't', now())""",
    """INSERT INTO crm.card_transaction_detail
           (processing_id, card_token, station, product, quantity, amount, currency, occurred_at, received_at)
       SELECT id, 't', 's', 'DT', 1, 1, 'RUB', now() - month, now()
       FROM (VALUES ('r1:feed-1:1', interval '0'), ('r1:feed-1:2', '0'), ('r1:feed-1:2', '40 days'),
                    ('r1:feed-1:4', '0'), ('r10:feed-1:3', '0')) AS sent (id, month)""",
    """INSERT INTO crm.idempotency_key (principal, key, fingerprint, status, headers, body)
       VALUES ('a', 'r1:feed-1:1', '', 201, '{}', ''), ('b', 'r1:feed-1:1', '', 201, '{}', ''),
              ('a', 'r10:feed-1:1', '', 201, '{}', '')""",
)
EXPECTED = {
    "r1:operator-1:1": 2,
    "r1:operator-1:2": 1,
    "r1:operator-1:3": 1,
    "r1:feed-1:1": 1,
    "r1:feed-1:2": 2,  # in two months
    "r1:feed-1:2:1": 0,  # in the register alone
    "r1:feed-1:4": 0,  # in a month alone
}


@dataclass
class Pair:
    """A primary with the CRM's schema, and its streaming standby."""

    primary: CrmDatabase
    standby: CrmDatabase

    def url(self, host: str, role: Role) -> str:
        return (self.primary if host == "primary" else self.standby).url(role)

    def execute(self, statement: str, host: str = "primary") -> None:
        server = self.primary if host == "primary" else self.standby
        with psycopg.connect(server.admin_url, autocommit=True) as connection:
            connection.execute(statement)

    def value(self, query: str, host: str) -> object:
        server = self.primary if host == "primary" else self.standby
        with psycopg.connect(server.admin_url, autocommit=True) as connection:
            row = connection.execute(query).fetchone()
        return None if row is None else row[0]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_server(THROWAWAY) as server:
        primary = create_crm_database(server)
        standby = copy_of(server)
        try:
            standby.start()
            yield Pair(primary, CrmDatabase(standby, primary.name, primary.password))
        finally:
            standby.remove()


def copy_of(server: PrivateServer) -> PrivateServer:
    directory = Path(tempfile.mkdtemp(prefix="crm-pg-"))
    copy = PrivateServer(directory, server.programs, free_port(), server.password, server.user)
    if server.user is not None:
        os.chown(directory, server.user.uid, server.user.gid)
    options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    source = ["-d", server.url(), "-D", str(directory / "data")]
    copy._run([str(server.programs / "pg_basebackup"), *options, *source])
    with (directory / "data" / "postgresql.conf").open("a") as file:
        file.write(f"port = {copy.port}\nunix_socket_directories = '{directory}'\n")
    return copy


@pytest.fixture
def probe(pair):
    made = []

    def make(host: str, **changes) -> WriterProbe:
        options = {"deadline_s": 30.0, "abandon_s": 120.0, **changes}
        made.append(WriterProbe(pair.url(host, Role.MONITOR), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_the_primary_accepts_and_names_its_timeline(probe):
    one = probe("primary")
    first, second = one.sample(), one.sample()
    assert (first.answer, second.answer) == (Answer.ACCEPTED, Answer.ACCEPTED)
    assert first.timeline == 1
    assert first.started_ns < first.ended_ns <= second.started_ns


def test_a_standby_says_that_it_is_read_only(probe):
    assert probe("standby").sample().answer is Answer.READ_ONLY


def test_nobody_listening_is_unreachable_with_a_reason():
    one = WriterProbe(f"host=127.0.0.1 port={free_port()} dbname=crm", deadline_s=5.0, abandon_s=5.0)
    found = one.sample()
    assert found.answer is Answer.UNREACHABLE
    assert "refused" in found.detail
    assert one.sample().answer is Answer.UNREACHABLE


def test_a_write_that_waits_for_a_copy_is_late_and_never_cancelled(pair, probe):
    """A cancel would make the commit succeed without its copy; the probe only stops listening."""
    one = probe("primary", deadline_s=0.3)
    until(lambda: one.sample().answer is Answer.ACCEPTED)

    def one_waits() -> bool:
        with psycopg.connect(pair.primary.admin_url, autocommit=True) as connection:
            return connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitor' AND wait_event = 'SyncRep'"
            ).fetchone() == (1,)

    pair.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    pair.execute("SELECT pg_reload_conf()")
    try:
        until(lambda: one.sample().answer is Answer.LATE and one_waits())
        assert one.sample().answer is Answer.LATE
        assert one_waits(), "it was cancelled"
    finally:
        with psycopg.connect(pair.primary.admin_url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = local")
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
    until(lambda: one.sample().answer is Answer.ACCEPTED)


def test_a_connection_that_owes_an_answer_too_long_is_given_up(pair, probe):
    one = probe("primary", deadline_s=1.0, abandon_s=0.0)
    assert one.sample().answer in (Answer.ACCEPTED, Answer.LATE)
    until(lambda: one.sample().answer is Answer.ACCEPTED)
    with psycopg.connect(pair.primary.admin_url, autocommit=True) as locker:
        locker.execute("BEGIN; LOCK TABLE ops.writer_probe")
        until(lambda: one.sample().answer is Answer.LATE)
        assert one._connection is None
        locker.execute("ROLLBACK")
    until(lambda: one.sample().answer is Answer.ACCEPTED)


@pytest.fixture(scope="module")
def filled(pair):
    for statement in FILL:
        pair.execute(statement)
    return pair


def reader(pair, *hosts):
    connect = lambda host: psycopg.connect(pair.url(host, Role.AUDIT), autocommit=True)  # noqa: E731
    return SqlStateReader(hosts or ("primary", "standby"), connect)


def test_markers_and_executions_are_counted_on_every_node(filled):
    final = reader(filled).collect("r1", deadline_s=30)
    assert [(node.node, node.is_primary, node.caught_up, node.timeline) for node in final.nodes] == [
        ("primary", True, True, 1),
        ("standby", False, True, 1),
    ]
    for node in final.nodes:
        assert node.markers == EXPECTED
        assert node.executions == {"r1:feed-1:1": 2}


def test_a_standby_that_does_not_catch_up_is_not_believed(filled):
    filled.execute("SELECT pg_wal_replay_pause()", host="standby")
    until(lambda: filled.value("SELECT pg_get_wal_replay_pause_state()", host="standby") == "paused")
    try:
        filled.execute("CREATE TABLE public.something_new ()")
        final = reader(filled).collect("r1", deadline_s=0.5)
        assert [node.caught_up for node in final.nodes] == [True, False]
        assert final.nodes[1].markers == {}
    finally:
        filled.execute("SELECT pg_wal_replay_resume()", host="standby")
        filled.execute("DROP TABLE public.something_new")


def test_a_node_that_cannot_be_read_is_named(filled):
    def connect(host):
        if host == "gone":
            raise psycopg.OperationalError("no route to host")
        return psycopg.connect(filled.url(host, Role.AUDIT), autocommit=True)

    final = SqlStateReader(("gone", "primary"), connect).collect("r1", deadline_s=0.5)
    assert [(node.node, node.caught_up) for node in final.nodes] == [("gone", False), ("primary", True)]
    assert final.primary.node == "primary"


def test_a_dead_host_takes_no_time_from_the_others(filled):
    """Who is late, and is asked again, has the whole deadline as well."""
    refusals = [psycopg.OperationalError("the database system is starting up")] * 2

    def connect(host):
        if host == "gone":
            raise psycopg.OperationalError("no route to host")
        if host == "standby" and refusals:
            raise refusals.pop()
        return psycopg.connect(filled.url(host, Role.AUDIT), autocommit=True)

    final = SqlStateReader(("gone", "primary", "standby"), connect).collect("r1", deadline_s=5)
    assert [(node.node, node.caught_up) for node in final.nodes] == [
        ("gone", False),
        ("primary", True),
        ("standby", True),
    ]


def test_a_read_that_fails_is_done_again(filled):
    refusals = [psycopg.OperationalError("canceling statement due to conflict with recovery")] * 2

    def connect(host):
        if refusals:
            raise refusals.pop()
        return psycopg.connect(filled.url(host, Role.AUDIT), autocommit=True)

    (node,) = SqlStateReader(("primary",), connect).collect("r1", deadline_s=60).nodes
    assert (node.caught_up, node.markers) == (True, EXPECTED)


def test_without_a_primary_nothing_is_believed(filled):
    final = reader(filled, "standby").collect("r1", deadline_s=5)
    assert final.primary is None
    assert not final.nodes[0].caught_up


@pytest.fixture
def entry():
    """A site's entry that serves writes."""

    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"serves": "writes", "node": "10.77.1.21", "timeline": 3}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Entry("dc1", f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
        thread.join()


def test_the_observer_samples_all_until_it_is_stopped(pair, entry, tmp_path):
    dead = Entry("dc2", f"http://127.0.0.1:{free_port()}")
    databases = {host: pair.url(host, Role.MONITOR) for host in ("primary", "standby")}
    observed = Observed(databases=databases, entries=(entry, dead), entry_ca=None, zookeeper=None)
    observer = SamplingObserver(observed, Pace(period_s=0.05, deadline_s=5.0))
    history = tmp_path / "history.jsonl"
    observer.start(history)
    until(lambda: history.exists() and history.read_text().count('"entry"') >= 6)
    observer.stop()
    observer.stop()
    events = list(read(history))
    states = {(event.function, event.node or event.route, event.state) for event in events}
    assert {("writer", "primary", "accepted"), ("writer", "standby", "read-only")} <= states
    served = [event for event in events if event.route == "dc1"]
    assert {(event.state, event.node, event.timeline, event.status) for event in served} == {
        ("writes", "10.77.1.21", 3, 200)
    }
    assert all(event.err for event in events if event.route == "dc2")
    assert all(event.latency_ns is not None for event in events)
