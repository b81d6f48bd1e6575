"""A standby is known to be stranded by its own word and its primary's: two real servers, as `monitor`."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from app.devserver import THROWAWAY, PrivateServer
from failover import strand_watch
from failover.model import TimelineSwitch
from failover.proof.scenery import Scene, picture
from failover.strand_watch import StrandWatch

pytestmark = pytest.mark.safety

PRIMARY, STANDBY = "dc1-db1", "dc2-db2"
SECONDS = 60.0
# Nothing of WAL is kept beyond what a crash needs, and no checkpoint comes of itself.
SETTINGS = {
    **THROWAWAY,
    "min_wal_size": "32MB",
    "max_wal_size": "1GB",
    "wal_keep_size": "0",
    "wal_retrieve_retry_interval": "100ms",
}


@dataclass
class Pair:
    """Two servers that follow each other as they are told to, and a watch that may be in office."""

    primary: PrivateServer
    standby: PrivateServer
    leader: str | None = PRIMARY
    history: tuple[TimelineSwitch, ...] = ()
    office: bool = True

    def conninfo(self, host: str) -> str:
        server = self.primary if host == PRIMARY else self.standby
        return server.url(user="monitor", password="secret")

    def watch(self) -> StrandWatch:
        """One that has just seen the standby not stream."""
        watch = StrandWatch(
            self.conninfo,
            in_office=lambda: self.office,
            leader=lambda: self.leader,
            history=lambda: self.history,
        )
        watch.of(unstreaming())
        return watch

    def remove_wal(self, sent: Callable[[], object] = lambda: True) -> None:
        """Until the primary has nothing of what it has now; of each segment only what was `sent`."""
        for _ in range(6):
            do(self.primary, "CREATE TABLE IF NOT EXISTS t (a int)", "INSERT INTO t VALUES (1)")
            do(self.primary, "SELECT pg_switch_wal()")
            await_that(sent)
            do(self.primary, "CHECKPOINT")

    def received(self) -> object:
        """The standby has all that its primary flushed."""
        flushed = says(self.primary, "SELECT pg_current_wal_flush_lsn()")
        return says(self.standby, f"SELECT pg_last_wal_receive_lsn() >= '{flushed}'")

    def refuse(self) -> None:
        """The primary lets no standby in any more."""
        rules = self.primary.directory / "data" / "pg_hba.conf"
        rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        do(self.primary, "SELECT pg_reload_conf()")
        do(self.primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")

    def follow(self) -> None:
        settings = self.standby.directory / "data" / "postgresql.auto.conf"
        settings.write_text(f"primary_conninfo = '{self.primary.url()}'\n")


def unstreaming():
    """What agents see."""
    return picture(Scene(not_streaming=frozenset({STANDBY})))


def do(server: PrivateServer, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for each in statements:
            connection.execute(each.encode())


def says(server: PrivateServer, query: str) -> object:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def await_that(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def pair() -> Iterator[Pair]:
    primary, standby = PrivateServer.create(SETTINGS), PrivateServer.create(SETTINGS)
    try:
        primary.start()
        do(primary, "CREATE ROLE monitor LOGIN PASSWORD 'secret' IN ROLE pg_monitor")
        primary.stop()
        data = standby.directory / "data"
        shutil.rmtree(data)
        shutil.copytree(primary.directory / "data", data)
        (data / "standby.signal").touch()
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"port = {standby.port}\nunix_socket_directories = '{standby.directory}'\n")
        standby.password = primary.password
        both = Pair(primary, standby)
        both.follow()
        for path in (data, *data.rglob("*")):
            if standby.user is not None:
                os.chown(path, standby.user.uid, standby.user.gid)
        primary.start()
        standby.start()
        await_that(lambda: streams(standby))
        yield both
    finally:
        primary.remove()
        standby.remove()


def streams(server: PrivateServer) -> object:
    return says(server, "SELECT status = 'streaming' FROM pg_stat_wal_receiver")


def test_who_was_away_for_too_much_wal_is_stranded_and_holds_nothing_of_its_own(pair: Pair) -> None:
    watch = pair.watch()
    assert watch.look(STANDBY) is None, "it streams"
    pair.standby.stop()
    assert watch.look(STANDBY) is None, "nothing is concluded from silence"
    pair.remove_wal()
    pair.standby.start()

    found = watch.look(STANDBY)

    assert found is not None
    assert (found.primary, found.own) == (PRIMARY, "")
    stands = says(pair.standby, "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint")
    assert found.needs == stands
    assert found.oldest > found.needs
    assert "has already been removed" in pair.standby.log_tail(), "PostgreSQL says the same"
    pair.leader = STANDBY
    assert watch.look(STANDBY) is None


def test_who_has_the_wal_already_is_not_stranded_however_little_it_replayed(pair: Pair) -> None:
    """What it stands at was removed from the primary; it has all of it, and its receiver is away."""
    do(pair.standby, "SELECT pg_wal_replay_pause()")
    await_that(lambda: says(pair.standby, "SELECT pg_get_wal_replay_pause_state()") == "paused")
    pair.remove_wal(pair.received)
    await_that(pair.received)
    end = says(pair.standby, "SELECT pg_last_wal_receive_lsn()")
    pair.refuse()
    await_that(lambda: not streams(pair.standby))

    assert pair.watch().look(STANDBY) is None

    do(pair.standby, "SELECT pg_wal_replay_resume()")
    await_that(lambda: says(pair.standby, f"SELECT pg_last_wal_replay_lsn() >= '{end}'"))
    assert pair.watch().look(STANDBY) is None


def test_an_archive_may_have_what_the_primary_has_not(pair: Pair) -> None:
    pair.standby.stop()
    pair.remove_wal()
    with (pair.standby.directory / "data" / "postgresql.conf").open("a") as file:
        file.write("restore_command = 'false'\n")
    pair.standby.start()

    assert pair.watch().look(STANDBY) is None


def test_rounds_ask_in_office_and_only_of_who_does_not_stream(pair: Pair, monkeypatch) -> None:
    monkeypatch.setattr(strand_watch, "ASKED_EVERY_S", 0.05)
    pair.standby.stop()
    pair.remove_wal()
    pair.standby.start()
    watch, stopping = pair.watch(), threading.Event()
    pair.office = False
    thread = threading.Thread(target=watch.watch, args=(stopping,))
    thread.start()
    try:
        time.sleep(0.5)
        assert watch.of(unstreaming()) == {}, "out of office nothing is known"
        pair.office = True
        await_that(lambda: set(watch.of(unstreaming())) == {STANDBY})
        time.sleep(0.5)
        assert set(watch.of(picture(Scene()))) == {STANDBY}, "a moment's streaming is an attempt"
        pair.office = False
        await_that(lambda: watch.of(unstreaming()) == {})
        held = picture(Scene(not_streaming=frozenset({STANDBY}), maintenance=frozenset({STANDBY})))
        watch.of(held)
        pair.office = True
        time.sleep(0.5)
        assert watch.of(held) == {}, "nobody asks a host in maintenance"
    finally:
        stopping.set()
        thread.join(SECONDS)
    assert not thread.is_alive()
