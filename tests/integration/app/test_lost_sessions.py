"""Sessions that end at the worst moment, with every word that a server and a pooler have for it."""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

from app.database.connection import CrmConnection
from app.imports import loader as loader_module
from app.imports.loader import Loader
from tests.integration.app.ending import POOLER_ENDED, READY, SERVER_ENDED, Ending, ending
from tests.integration.app.test_imports import NDJSON, ndjson

IMPORTS, REQUESTS = "/api/v1/imports", "/api/v1/requests"
CALL = {"channel": "call", "topic": "cards", "subject": "Карта", "text": "Не работает"}
WAIT_SECONDS = 120.0
IN_PROGRESS = "idempotency-key-in-progress"
WORDS = {
    "nothing": b"",
    "half a word": SERVER_ENDED[:20],
    "the server's": SERVER_ENDED,
    "the pooler's": POOLER_ENDED,
    "both": SERVER_ENDED + POOLER_ENDED,
    "both, as if it went on": SERVER_ENDED + POOLER_ENDED + READY,
}
COMMIT = b"COMMIT\0"
END_OF_COPY = b"c\0\0\0\x04"
EVERY_WORD = pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
EVERY_WORD_BEFORE_AND_BEHIND = pytest.mark.parametrize(
    ("word", "reached"),
    [
        *(pytest.param(word, False, id=f"{name}, before the server had it") for name, word in WORDS.items()),
        *(pytest.param(WORDS[name], True, id=f"{name}, behind it") for name in ("nothing", "both")),
    ],
)


@pytest.fixture
async def waiting_load(api, number):
    """A load that waits for a loader; where it is."""
    return await received(api, number)


@pytest.fixture
def loaded(api, admin, number, waiting_load):
    """Asserts that it was loaded, once."""

    async def asserted():
        await assert_loaded(api, admin, waiting_load, number)

    return asserted


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(loader_module, "growing", lambda *_, **__: 0.01)


async def answered(ask):
    """The answer, when the pool is filled anew and the server has ended the session that held the key."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (answer := await ask()).status_code == 503 or answer.json().get("code") == IN_PROGRESS:
            await asyncio.sleep(0.02)
    return answer


async def received(api, number, rows=20):
    """A load that waits for a loader."""
    people = [{"kind": "person", "name": "Имя", "external_id": f"lost-{number}-{n}"} for n in range(rows)]
    headers = {"Idempotency-Key": f"lost-{number}", "Content-Type": NDJSON}
    answer = await api.http.post(IMPORTS, content=ndjson(*people), headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


async def assert_loaded(api, admin, address, number, rows=20):
    job = (await api.get(address)).json()
    assert (job["status"], job["created"], job["rejected"]) == ("done", rows, 0)
    kept = "SELECT count(*) FROM crm.customer WHERE external_id LIKE %s"
    assert admin.execute(kept, (f"lost-{number}-%",)).fetchone() == (rows,)


@pytest.mark.safety
@EVERY_WORD_BEFORE_AND_BEHIND
async def test_a_loader_repeats_the_batch_whose_commit_was_not_answered(crm, loaded, word, reached):
    how = Ending(COMMIT, word, reached=reached, times=4)
    with ending(crm.url(), how) as dsn, Loader(dsn) as loader:
        await asyncio.to_thread(loader.drain)
    assert how.ended == how.times  # of the batch, of the reader, and of what repeats them
    await loaded()


@EVERY_WORD
async def test_a_loader_repeats_the_batch_whose_copy_was_cut_off(api, crm, waiting_load, loaded, word):
    how = Ending(END_OF_COPY, word)
    with ending(crm.url(), how) as dsn, Loader(dsn) as loader:
        stop = threading.Event()
        running = asyncio.create_task(asyncio.to_thread(loader.run_until, stop))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while (await api.get(waiting_load)).json()["status"] != "done":
                    assert not running.done()
                    await asyncio.sleep(0.05)
        finally:
            stop.set()
            await running
    assert how.ended == 1
    await loaded()


@pytest.mark.safety
@EVERY_WORD
async def test_a_units_lost_session_is_known_as_lost(crm, word):
    """Whatever was raised: an answer that is still owed must not be given to who asks next."""
    how = Ending(COMMIT, word)
    with ending(crm.url(), how) as dsn:
        connection = await CrmConnection.connect(dsn, autocommit=True, prepare_threshold=None)
        connection.statements.queue("BEGIN")
        connection.statements.queue("SELECT 1")
        connection.statements.queue("COMMIT")
        async with asyncio.timeout(WAIT_SECONDS):
            with pytest.raises(psycopg.OperationalError) as raised:
                await connection.statements.send()
        assert not connection.alive
    said = next((state for state in ("57P01", "08P01") if state.encode() in word), None)
    assert raised.value.sqlstate == said


@pytest.mark.safety
@EVERY_WORD_BEFORE_AND_BEHIND
async def test_a_write_whose_commit_was_not_answered_is_in_doubt_and_its_repetition_is_not(
    crm, start_api, number, word, reached
):
    how = Ending(COMMIT, word, reached=reached, times=0)
    with ending(crm.url(), how) as dsn:
        async with start_api(dsn, primary_wait_seconds=0, probe_seconds=600) as api:
            how.times = 1
            lost = await api.post(REQUESTS, CALL, key=f"lost-{number}")
            assert (lost.status_code, lost.json()["code"]) == (503, "outcome-unknown"), lost.text
            again = await answered(lambda: api.post(REQUESTS, CALL, key=f"lost-{number}"))
            assert again.status_code == 201, again.text
            assert again.headers.get("Idempotency-Replayed") == ("true" if reached else None)


async def test_a_key_is_in_progress_until_the_server_notices_that_the_session_is_lost(crm, start_api, number):
    how = Ending(COMMIT, b"", times=0, noticed=threading.Event())
    with ending(crm.url(), how) as dsn:
        async with start_api(dsn, primary_wait_seconds=0, probe_seconds=600) as api:
            how.times = 1
            lost = await api.post(REQUESTS, CALL, key=f"lost-{number}")
            assert lost.json()["code"] == "outcome-unknown", lost.text
            async with asyncio.timeout(WAIT_SECONDS):  # the pool is being filled anew
                while (again := await api.post(REQUESTS, CALL, key=f"lost-{number}")).status_code == 503:
                    await asyncio.sleep(0.02)
            assert (again.status_code, again.json()["code"]) == (409, IN_PROGRESS)
            how.noticed.set()
            again = await answered(lambda: api.post(REQUESTS, CALL, key=f"lost-{number}"))
            assert again.status_code == 201, again.text


@EVERY_WORD
async def test_a_read_whose_session_is_lost_found_no_primary(crm, start_api, word):
    how = Ending(b"FROM crm.request", word, times=0)  # nobody else's
    with ending(crm.url(), how) as dsn:
        async with start_api(dsn, primary_wait_seconds=0, probe_seconds=600) as api:
            how.times = 1
            lost = await api.get(REQUESTS)
            assert (lost.status_code, lost.json()["code"]) == (503, "no-primary"), lost.text
            async with asyncio.timeout(WAIT_SECONDS):  # the pool is being filled anew
                while (await api.get(REQUESTS)).status_code != 200:
                    await asyncio.sleep(0.02)
