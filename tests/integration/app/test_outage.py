"""When there is no primary, a standby in its place, or a server that was restarted under the pool."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from app.database.route import Route, RouteOverloadedError
from app.devserver import THROWAWAY, CrmDatabase, create_crm_database, running_server

REQUESTS = "/api/v1/requests"
BOARD = "/api/v1/reports/board"
CALL = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "Не работает"}
STALE = {"Twinsite-Staleness": "any"}
WAIT_SECONDS = 120.0


@pytest.fixture
def primary() -> Iterator[CrmDatabase]:
    with running_server(THROWAWAY) as server:
        yield create_crm_database(server)


@pytest.fixture
def standby(primary) -> Iterator[CrmDatabase]:
    """A streaming copy of the primary on a port of its own."""
    with running_server(THROWAWAY) as server:  # for its directory and user; the data is replaced
        server.stop()
        data = server.directory / "data"
        shutil.rmtree(data)
        command = [
            str(server.programs / "pg_basebackup"),
            "-D",
            str(data),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        ]
        identity = (
            {"user": server.user.uid, "group": server.user.gid, "extra_groups": []} if server.user else {}
        )
        subprocess.run(
            [*command, "-d", primary.server.url()],
            check=True,
            timeout=WAIT_SECONDS,
            cwd=server.directory,
            **identity,
        )
        server.password = primary.password
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"port = {server.port}\nunix_socket_directories = '{server.directory}'\n")
        server.start()
        yield CrmDatabase(server, primary.name, primary.password)


async def caught_up(primary, standby):
    with psycopg.connect(primary.admin_url, autocommit=True) as source:
        (lsn,) = source.execute("SELECT pg_current_wal_lsn()").fetchone()
    with psycopg.connect(standby.admin_url, autocommit=True) as copy:
        async with asyncio.timeout(WAIT_SECONDS):
            while not copy.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (lsn,)).fetchone()[0]:
                await asyncio.sleep(0.02)


def assert_no_primary(answer):
    assert (answer.status_code, answer.json()["code"]) == (503, "no-primary"), answer.text
    assert answer.headers["Retry-After"]


async def test_without_a_primary_writes_are_refused_and_stale_reads_go_on(primary, standby, start_api):
    async with start_api(primary.url(), standby.url(), probe_seconds=0.1) as api:
        address = (await api.post(REQUESTS, CALL)).headers["Location"]
        await caught_up(primary, standby)
        await asyncio.to_thread(primary.server.stop)
        health = await api.until("reads")
        assert (health.status_code, health.json()["role"], health.json()["timeline"]) == (200, "standby", 1)
        assert_no_primary(await api.post(REQUESTS, CALL))
        assert_no_primary(await api.get(address))
        stale = await api.get(address, **STALE)
        assert (stale.status_code, stale.headers["Twinsite-Replica"]) == (200, "true")
        for shape in ("json", "csv"):
            report = await api.get(f"{BOARD}?format={shape}", **STALE)
            assert (report.status_code, report.headers["Twinsite-Replica"]) == (200, "true"), shape
        by_query = await api.get(f"{REQUESTS}?stale=true")
        assert by_query.status_code == 200
        await asyncio.to_thread(primary.server.start)
        await api.until("writes")
        assert (await api.post(REQUESTS, CALL)).status_code == 201


async def test_the_lag_of_a_replica_that_receives_nothing_is_unknown(primary, standby, start_api):
    async with start_api(standby.url(), serves="reads", probe_seconds=0.1) as api:
        await until_lag(api, 0)
        await asyncio.to_thread(primary.server.stop)
        await until_lag(api, None)
        await asyncio.to_thread(primary.server.start)
        await until_lag(api, 0)


async def until_lag(api, expected):
    """The receiver comes and goes a moment after its primary."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (health := (await api.get("/health/ready")).json())["lag_bytes"] != expected:
            assert (health["serves"], health["role"]) == ("reads", "standby")
            await asyncio.sleep(0.05)


async def test_refusals_come_at_once_however_many(primary, start_api):
    async with start_api(
        primary.url(), probe_seconds=0.1, pool_wait_seconds=30, request_deadline_seconds=60
    ) as api:
        await asyncio.to_thread(primary.server.stop)
        health = await api.until("nothing")
        assert health.status_code == 503
        # Nobody waits for a connection: a hundred together would need the pool's half minute otherwise.
        async with asyncio.timeout(WAIT_SECONDS):
            answers = await asyncio.gather(*(api.post(REQUESTS, CALL) for _ in range(100)))
        for answer in answers:
            assert_no_primary(answer)
        assert (await api.get("/health/live")).status_code == 200


async def test_a_short_outage_is_waited_for_and_its_requests_are_repeated_inside(primary, start_api):
    # Fewer may wait for a connection than wait for the primary, and then come at once.
    async with start_api(
        primary.url(), probe_seconds=0.1, primary_wait_seconds=WAIT_SECONDS, pool_max_waiting=8
    ) as api:
        await asyncio.to_thread(primary.server.stop)
        assert (await api.until("nothing")).status_code == 503
        pending = [asyncio.create_task(api.post(REQUESTS, CALL)) for _ in range(20)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in pending)
        await asyncio.to_thread(primary.server.start)
        assert [answer.status_code for answer in await asyncio.gather(*pending)] == [201] * 20
        with psycopg.connect(primary.admin_url) as connection:
            assert connection.execute("SELECT count(*) FROM crm.request").fetchone() == (20,)


async def test_the_api_starts_without_a_database_and_finds_it_later(primary, start_api):
    await asyncio.to_thread(primary.server.stop)
    async with start_api(primary.url(), serves="nothing", probe_seconds=0.1) as api:
        await asyncio.to_thread(primary.server.start)
        await api.until("writes")
        assert (await api.post(REQUESTS, CALL)).status_code == 201


async def test_a_standby_at_the_end_of_the_primary_route_is_no_primary(standby, start_api):
    async with start_api(standby.url(), serves="reads", probe_seconds=0.1) as api:
        health = await api.until("reads")
        assert health.json()["role"] == "standby"
        assert_no_primary(await api.post(REQUESTS, CALL))
        assert_no_primary(await api.get(REQUESTS))
        assert (await api.get(REQUESTS, **STALE)).status_code == 200


async def probers(database):
    """The backends that probes go through, and when each was last asked."""
    asked = "SELECT pid, state_change FROM pg_stat_activity WHERE query LIKE '%pg_control_checkpoint%'"
    async with await psycopg.AsyncConnection.connect(database.admin_url, autocommit=True) as connection:
        rows = await (await connection.execute(f"{asked} AND pid <> pg_backend_pid()")).fetchall()
        return dict(rows)


async def until(condition):
    async with asyncio.timeout(WAIT_SECONDS):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


async def test_sessions_with_a_standby_on_the_primary_route_are_ended_on_its_server(standby, start_api):
    """A pooler between the two would keep them, and with them every write's refusal."""
    async with start_api(standby.url(), serves="reads", probe_seconds=0.1):
        first = set(await until(lambda: probers(standby)))

        async def ended():
            return not first & set(await probers(standby))

        await until(ended)


async def test_sessions_with_a_standby_that_is_being_promoted_are_kept(standby, start_api, monkeypatch):
    """Made in the second before, they are good after it; nobody has to log in just then."""
    monkeypatch.setattr("app.database.route.STANDBY_TOLERATED_SECONDS", WAIT_SECONDS)
    async with start_api(standby.url(), serves="reads", probe_seconds=0.1) as api:
        first = set(await until(lambda: probers(standby)))
        with psycopg.connect(standby.admin_url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        await api.until("writes")
        assert first <= set(await probers(standby))


async def test_the_session_with_the_primary_is_kept_from_probe_to_probe(primary, start_api):
    async with start_api(primary.url(), probe_seconds=0.1):
        first = await until(lambda: probers(primary))

        async def asked_again():
            now = await probers(primary)
            return all(now.get(pid, at) > at for pid, at in first.items()) and now

        for _ in range(3):
            again = await until(asked_again)
            assert set(again) == set(first)
            first = again


async def test_a_standby_met_before_the_prober_saw_it_is_no_primary_either(standby, start_api):
    """The probe is the fast path; the gates inside the transactions are the guarantee."""
    async with start_api(standby.url(), serves="reads", probe_seconds=60) as api:
        api.database.primary.sight = type(api.database.primary.sight)("primary")
        before = await one_backend(api)
        assert_no_primary(await api.post(REQUESTS, CALL))
        assert_no_primary(await api.get(REQUESTS))
        async with asyncio.timeout(WAIT_SECONDS):
            while await one_backend(api) == before:  # its connections are replaced
                await asyncio.sleep(0.02)


async def one_backend(api):
    async with api.database.primary.connection() as connection:
        return connection.info.backend_pid


async def test_promotion_is_followed_by_writes_with_the_new_timeline(primary, standby, start_api):
    async with start_api(standby.url(), serves="reads", probe_seconds=0.1) as api:
        with psycopg.connect(standby.admin_url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        health = await api.until("writes")
        assert health.json()["timeline"] == 2
        answer = await api.post(REQUESTS, CALL)
        assert (answer.status_code, answer.headers["Twinsite-Timeline"]) == (201, "2")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restart_under_the_pool_fails_nothing_afterwards(primary, start_api, how):
    """The prober is not due before the end: it sees nothing of it, and the pool holds what is dead."""
    async with start_api(primary.url(), probe_seconds=600, pool_min_size=4) as api:
        await asyncio.gather(*(api.post(REQUESTS, CALL) for _ in range(8)))  # the pool is full and prepared
        await asyncio.to_thread(primary.server.stop, how)
        await asyncio.to_thread(primary.server.start)
        assert not api.database.primary.lacks_primary
        answers = await asyncio.gather(*(api.post(REQUESTS, CALL) for _ in range(8)))
        assert [answer.status_code for answer in answers] == [201] * 8


async def test_a_full_pool_refuses_instead_of_queueing_without_end(primary, start_api):
    async with start_api(primary.url(), pool_max_size=1, pool_max_waiting=1, pool_wait_seconds=0.3) as api:
        async with _only_connection(api.database.primary):
            answers = await asyncio.gather(*(api.post(REQUESTS, CALL) for _ in range(3)))
        assert {(a.status_code, a.json()["code"]) for a in answers} == {(503, "overloaded")}
        async with asyncio.timeout(WAIT_SECONDS):
            while (answer := await api.post(REQUESTS, CALL)).status_code != 201:
                assert answer.json()["code"] == "overloaded"


@asynccontextmanager
async def _only_connection(route: Route) -> AsyncIterator[None]:
    """Held as soon as the API's own errands, its audit among them, leave it."""
    async with AsyncExitStack() as held, asyncio.timeout(WAIT_SECONDS):
        while True:
            with suppress(RouteOverloadedError):
                await held.enter_async_context(route.connection())
                break
            await asyncio.sleep(0.05)
        yield


async def test_a_frozen_server_is_noticed_and_answered_for(primary, start_api):
    async with start_api(
        primary.url(), probe_seconds=0.1, probe_timeout_seconds=1, request_deadline_seconds=1.5
    ) as api:
        postmaster = primary.server._process.pid
        os.kill(postmaster, signal.SIGSTOP)  # first: from now on nobody is added
        pids = _children(postmaster)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = await api.post(REQUESTS, CALL, key="frozen")
            assert started.status_code == 503
            assert started.json()["code"] in ("outcome-unknown", "no-primary", "database-busy")
            assert (await api.until("nothing")).status_code == 503
            assert_no_primary(await api.post(REQUESTS, CALL))
        finally:
            for pid in (*pids, postmaster):  # last: until then nobody is reaped
                os.kill(pid, signal.SIGCONT)
        await api.until("writes")
        async with asyncio.timeout(WAIT_SECONDS):
            while (answer := await api.post(REQUESTS, CALL, key="frozen")).status_code != 201:
                assert answer.json()["code"] in (
                    "idempotency-key-in-progress",
                    "outcome-unknown",
                    "no-primary",
                    "database-busy",
                )
                await asyncio.sleep(0.05)


def _children(parent):
    """Of a process that stands still: it neither gets nor loses any meanwhile."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # somebody else's, which has ended
            _, _, fields = (process / "stat").read_text().rpartition(")")
            if int(fields.split()[1]) == parent:
                found.append(int(process.name))
    assert found
    return found


async def reloaded(database, setting, value):
    """Whoever connects from now on has it: the postmaster reads its files in its own time."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with psycopg.connect(database.admin_url) as connection:
                if connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() == (value,):
                    return
            await asyncio.sleep(0.02)


async def test_the_request_id_is_seen_in_the_server_log_and_not_after_the_transaction(primary, start_api):
    with psycopg.connect(primary.admin_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_line_prefix = '%a|'")
        connection.execute("ALTER SYSTEM SET log_min_duration_statement = 0")
        connection.execute("SELECT pg_reload_conf()")
    await reloaded(primary, "log_min_duration_statement", "0")
    async with start_api(primary.url()) as api:
        await api.post(REQUESTS, CALL, **{"X-Request-Id": "write-17"})
        answer = await api.get(REQUESTS, **{"X-Request-Id": "read-17"})
        assert answer.headers["X-Request-Id"] == "read-17"
        log = primary.server.log_tail(200)
        assert "crm write-17|" in log
        assert "crm read-17|" in log
        async with api.database.primary.connection() as connection:
            row = await (await connection.execute("SHOW application_name")).fetchone()
        assert row == ("crm-api test",)
