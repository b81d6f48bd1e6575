"""What an acknowledged write is worth while no other site has a copy: refused, or served, marked and counted.

Patroni shrinks the synchronous set by changing PostgreSQL's setting, and the change itself lets waiting
commits go as successes; the tests do the same.
"""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from app import metrics
from app.database import copies
from app.devserver import THROWAWAY, running_server
from tests.integration.app.test_commit_discipline import (
    DEADLINE_SECONDS,
    WAIT_SECONDS,
    Fate,
    assert_unknown,
    call,
)

pytestmark = pytest.mark.safety

REQUESTS = "/api/v1/requests"
SITES = "127.0.0.1=dc1 near=dc1 nobody=dc2"


@pytest.fixture(scope="module")
def fate():
    with running_server(THROWAWAY) as server:
        yield Fate(server)


@pytest.fixture
async def strict(fate, start_api, tmp_path):
    """Refuses writes from the start: no standby is named. What it answers is seen as it is, not repeated."""
    settings = {"durability": "strict", "database_sites": SITES, "write_gate": tmp_path / "gate"}
    waits = {"request_deadline_seconds": DEADLINE_SECONDS, "primary_wait_seconds": 0}
    async with start_api(fate.database.url(), serves="reads", **waits, **settings) as api:
        yield api


async def test_strict_refuses_before_anything_is_done_while_no_other_site_is_synchronous(strict, fate):
    refused = await strict.post(REQUESTS, call("refused"))

    assert (refused.status_code, refused.json()["code"]) == (503, "no-remote-copy"), refused.text
    assert refused.headers["Retry-After"]
    assert fate.stored("refused") == 0


async def test_strict_acknowledges_no_commit_that_the_shrinking_of_the_set_let_go(strict, fate):
    with fate.no_standby():
        await strict.until("writes")
        before = metrics.WRITES_UNCOPIED._value.get()
        pending = asyncio.create_task(strict.post(REQUESTS, call("let-go"), key="let-go"))
        await fate.one_hangs()
    assert_unknown(await pending)
    assert metrics.WRITES_UNCOPIED._value.get() == before + 1
    assert fate.stored("let-go") == 1


async def test_strict_obeys_the_agents_gate_and_nobody_who_is_gone(strict, fate, tmp_path, monkeypatch):
    # The agent is not gone while this machine stands still.
    monkeypatch.setattr(copies, "FRESH_SECONDS", WAIT_SECONDS)
    with fate.no_standby():
        await strict.until("writes")
        (tmp_path / "gate").write_text(json.dumps({"writes": "closed", "monotonic_s": time.monotonic()}))
        await strict.until("reads")
        refused = await strict.post(REQUESTS, call("gate"))
        assert refused.json()["code"] == "no-remote-copy"

        long_ago = time.monotonic() - WAIT_SECONDS
        (tmp_path / "gate").write_text(json.dumps({"writes": "closed", "monotonic_s": long_ago}))
        await strict.until("writes")


async def test_available_serves_marks_and_counts(fate, start_api):
    settings = {"durability": "available", "database_sites": SITES}
    async with start_api(fate.database.url(), **settings) as api:
        before = metrics.WRITES_EXPOSED._value.get()
        exposed = await api.post(REQUESTS, call("exposed"), key="exposed")
        again = await api.post(REQUESTS, call("exposed"), key="exposed")

    assert (exposed.status_code, exposed.headers["Twinsite-Remote-Copy"]) == (201, "no")
    assert (again.headers["Idempotency-Replayed"], again.headers["Twinsite-Remote-Copy"]) == ("true", "no")
    assert metrics.WRITES_EXPOSED._value.get() == before + 2


async def test_a_host_that_is_held_says_so_to_its_proxies_and_serves_on(fate, start_api, tmp_path):
    held = tmp_path / "held"
    async with start_api(fate.database.url(), held_file=held) as api:
        held.touch()
        asked = await api.get("/health/ready")
        written = await api.post(REQUESTS, call("held"))
        held.unlink()
        await api.until("writes")

    assert (asked.status_code, asked.json()["serves"]) == (503, "nothing")
    assert written.status_code == 201
