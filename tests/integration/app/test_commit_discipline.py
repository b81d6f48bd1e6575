"""No false success and no false failure: what a client hears when a COMMIT does not simply succeed.

The server here waits for a synchronous standby that does not exist, so every commit hangs in the state
"durable on this node, confirmed by nobody" until the test decides its fate.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from app.devserver import THROWAWAY, PrivateServer, create_crm_database, running_server

pytestmark = pytest.mark.safety

REQUESTS = "/api/v1/requests"
CALL = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "Не работает"}
WAIT_SECONDS = 120.0
# Time to come to a COMMIT. What hangs there is repeated inside the API up to here, so tests last as long.
DEADLINE_SECONDS = 30.0


class Fate:
    """A superuser's hands on the server: makes commits hang, and ends their waiting in every way there is."""

    def __init__(self, server: PrivateServer) -> None:
        self.server = server
        self.database = create_crm_database(server)

    def run(self, sql, *parameters):
        # Its own commits must not hang with the others.
        with psycopg.connect(self.database.admin_url, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = local")
            cursor = connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def no_standby(self) -> Iterator[None]:
        self._require_standby("nobody")
        try:
            yield
        finally:
            self.confirm()

    def confirm(self) -> None:
        """Commits that wait are let go as confirmed: the standbys have them."""
        self._require_standby("")

    def _require_standby(self, name) -> None:
        self.run(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self.run("SELECT pg_reload_conf()")
        deadline = time.monotonic() + WAIT_SECONDS
        while self._commits_wait() != bool(name):
            assert time.monotonic() < deadline, "the setting had no effect"

    def _commits_wait(self) -> bool:
        """Tried: each process of the server reads a setting in its own time. A wait ends with the others'."""
        with closing(psycopg.connect(self.database.admin_url, autocommit=True)) as trial:
            trial.pgconn.send_query(b"SELECT pg_logical_emit_message(true, 'trial', '')")
            waits = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"
            while trial.pgconn.is_busy():
                if self.run(waits, trial.info.backend_pid):
                    return True
                trial.pgconn.consume_input()
        return False

    def hanging(self) -> list[int]:
        return [
            row[0]
            for row in self.run(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'crm_app'"
            )
        ]

    async def one_hangs(self) -> int:
        async with asyncio.timeout(WAIT_SECONDS):
            while not (pids := self.hanging()):
                await asyncio.sleep(0.02)
        return pids[0]

    async def none_hangs(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while self.hanging():
                await asyncio.sleep(0.02)

    def stored(self, marker) -> int:
        return self.run("SELECT count(*) FROM crm.request WHERE external_id = %s", marker)[0][0]


@pytest.fixture(scope="module")
def fate() -> Iterator[Fate]:
    with running_server(THROWAWAY) as server:
        yield Fate(server)


@pytest.fixture
async def api(fate, start_api):
    async with start_api(fate.database.url(), request_deadline_seconds=DEADLINE_SECONDS) as api:
        yield api


@pytest.fixture
async def impatient(fate, start_api):
    async with start_api(fate.database.url(), request_deadline_seconds=1.5) as api:
        yield api


def call(marker):
    return {**CALL, "external_id": marker}


async def sent(api, marker, *, unless=("database-busy", "idempotency-key-in-progress")):
    """The answer to a call that came to its COMMIT in time: repeated while a busy machine took that time."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (answer := await api.post(REQUESTS, call(marker), key=marker)).json().get("code") in unless:
            pass
    return answer


def assert_unknown(answer):
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome-unknown"), answer.text
    assert answer.headers["Retry-After"]


async def assert_repetition_finds_it(api, fate, marker):
    """The same key again: the stored answer, and one execution."""
    repeated = await api.post(REQUESTS, call(marker), key=marker)
    assert repeated.status_code == 201, repeated.text
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert fate.stored(marker) == 1


async def test_a_cancelled_wait_is_unknown_and_not_a_success(api, fate):
    with fate.no_standby():
        pending = asyncio.create_task(api.post(REQUESTS, call("cancelled"), key="cancelled"))
        fate.run("SELECT pg_cancel_backend(%s)", await fate.one_hangs())
        assert_unknown(await pending)
        assert fate.stored("cancelled") == 1  # PostgreSQL reported success to the session
    await assert_repetition_finds_it(api, fate, "cancelled")


async def test_a_stored_answer_is_not_replayed_before_the_standbys_confirm(api, fate):
    with fate.no_standby():
        pending = asyncio.create_task(api.post(REQUESTS, call("replayed"), key="replayed"))
        fate.run("SELECT pg_cancel_backend(%s)", await fate.one_hangs())
        assert_unknown(await pending)
        repeated = asyncio.create_task(api.post(REQUESTS, call("replayed"), key="replayed"))
        await fate.one_hangs()  # it waits as the first did, instead of acknowledging a row of one node
        assert not repeated.done()
        fate.confirm()
        assert (await repeated).status_code == 201


async def test_a_terminated_session_is_unknown(api, fate):
    with fate.no_standby():
        pending = asyncio.create_task(api.post(REQUESTS, call("terminated"), key="terminated"))
        fate.run("SELECT pg_terminate_backend(%s)", await fate.one_hangs())
        assert_unknown(await pending)
    await assert_repetition_finds_it(api, fate, "terminated")


async def test_a_crash_during_the_commit_is_unknown(fate, start_api):
    async with start_api(fate.database.url(), request_deadline_seconds=DEADLINE_SECONDS) as api:
        with fate.no_standby():
            pending = asyncio.create_task(api.post(REQUESTS, call("crashed"), key="crashed"))
            await fate.one_hangs()
            await asyncio.to_thread(fate.server.stop, signal.SIGQUIT)
            assert_unknown(await pending)
            await asyncio.to_thread(fate.server.start)
        await api.until("writes")
        await assert_repetition_finds_it(api, fate, "crashed")


async def test_at_the_deadline_the_outcome_is_unknown_and_the_commit_goes_on(impatient, api, fate):
    with fate.no_standby():
        assert_unknown(await sent(impatient, "deadline"))
        await fate.one_hangs()  # no cancel was sent
        early = await sent(impatient, "deadline", unless=["database-busy"])
        assert (early.status_code, early.json()["code"]) == (409, "idempotency-key-in-progress")
        assert early.headers["Retry-After"]
    await fate.none_hangs()
    await assert_repetition_finds_it(api, fate, "deadline")


async def test_a_client_that_leaves_cancels_nothing(api, fate):
    with fate.no_standby():
        pending = asyncio.create_task(api.post(REQUESTS, call("left"), key="left"))
        pid = await fate.one_hangs()
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        await asyncio.sleep(0.2)
        assert fate.hanging() == [pid]
    await fate.none_hangs()
    await assert_repetition_finds_it(api, fate, "left")


async def test_the_end_of_the_process_cancels_nothing(fate, start_api):
    with fate.no_standby():
        async with start_api(fate.database.url(), request_deadline_seconds=1.5, drain_seconds=0.2) as api:
            assert_unknown(await sent(api, "shutdown"))
        pid = await fate.one_hangs()
        await asyncio.sleep(0.2)
        assert fate.hanging() == [pid]
    await fate.none_hangs()
    async with start_api(fate.database.url()) as api:
        await assert_repetition_finds_it(api, fate, "shutdown")


async def test_an_abandoned_commit_gives_its_connection_back_without_a_cancel(fate, api, start_api):
    async with start_api(
        fate.database.url(), request_deadline_seconds=1.5, abandon_seconds=0.5, pool_max_size=1
    ) as alone:
        with fate.no_standby():
            assert_unknown(await sent(alone, "abandoned"))
            pid = await fate.one_hangs()
            async with asyncio.timeout(WAIT_SECONDS):
                while alone.database._open:
                    await asyncio.sleep(0.02)
            assert fate.hanging() == [pid]
            async with asyncio.timeout(WAIT_SECONDS):  # the only connection is free again
                while (await alone.get(REQUESTS)).status_code != 200:
                    pass
        await fate.none_hangs()
        await assert_repetition_finds_it(api, fate, "abandoned")


async def test_what_was_not_sent_to_commit_in_time_certainly_does_not_happen(impatient, api, fate):
    made = await api.post(REQUESTS, call("locked"))
    address = made.headers["Location"]
    with psycopg.connect(fate.database.admin_url) as other:
        other.execute("SELECT FROM crm.request WHERE external_id = 'locked' FOR UPDATE")
        answer = await impatient.post(f"{address}/take", {"operator": "petrova"}, key="locked-take")
        assert (answer.status_code, answer.json()["code"]) == (503, "database-busy")
        other.rollback()
    async with asyncio.timeout(WAIT_SECONDS):
        while impatient.database._open:
            await asyncio.sleep(0.02)
    assert (await api.get(address)).json()["status"] == "new"
    taken = await api.post(f"{address}/take", {"operator": "petrova"}, key="locked-take")
    assert taken.status_code == 200


async def test_the_application_never_lowers_synchronous_commit(api, fate):
    with fate.no_standby():
        for path, body in {
            REQUESTS: call("sync"),
            "/api/v1/customers": {"kind": "person", "name": "Иван"},
        }.items():
            pending = asyncio.create_task(api.post(path, body))
            await fate.one_hangs()
            fate.confirm()
            assert (await pending).status_code == 201
            fate._require_standby("nobody")
