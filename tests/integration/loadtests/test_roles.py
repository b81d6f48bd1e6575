"""Everybody of the whole CRM against the API as it is served, on a real PostgreSQL: no journey is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from app.devserver import create_crm_database
from failover.drills.history import operations as in_operations
from failover.drills.history import parse
from failover.drills.model import FinalState, NodeState
from failover.drills.told import check_feed
from loadtests.volumes import TRANSACTIONS_A_BATCH
from tests.integration.serving import serving

WAIT_SECONDS = 240.0  # a call lasts some twelve, on a machine that others share
OF_EACH_ROLE = {
    *("search", "get_window", "get_articles", "take", "close"),
    *("request", "get_request", "get_points", "list_cards", "list_requests", "customer", "card_batch"),
    "follow",
}


@pytest.fixture(scope="module")
def crm(postgres_server):
    return create_crm_database(postgres_server, "roles")


@pytest.fixture(scope="module")
def history(crm, tmp_path_factory):
    """The ledger, line by line, of a run that ended when each journey had been gone to its end."""
    path = tmp_path_factory.mktemp("run") / "history.jsonl"
    with serving(crm, CRM_WORKERS="1", CRM_LOG_LEVEL="WARNING") as address:
        command = [
            *(sys.executable, "-m", "loadtests", "run", "--profile=roles-smoke", "--run-id=r1", "--seed=7"),
            *("--follow", f"--entry=dc1={address}", f"--history={path}", f"--duration={2 * WAIT_SECONDS}"),
            *(f"--attempt-timeout={WAIT_SECONDS}", f"--budget={WAIT_SECONDS}", f"--drain={WAIT_SECONDS}"),
        ]
        with _telling(address), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                _wait_for_everything(path)
            finally:
                process.terminate()
            said, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in (0, 1), said  # how fast it was says nothing here
    return _lines(path)


@contextmanager
def _telling(address):
    """What the worker does in an estate: tell of the card transactions that have come in."""
    over = threading.Event()

    def sweep():
        while not over.wait(0.5):
            httpx.post(f"{address}/api/v1/accruals/sweeps", timeout=WAIT_SECONDS).raise_for_status()

    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(sweep)
        try:
            yield
        finally:
            over.set()
        sweeping.result()


def _wait_for_everything(path):
    deadline = time.monotonic() + WAIT_SECONDS
    while not _done(path) >= OF_EACH_ROLE:
        assert time.monotonic() < deadline, f"not seen: {OF_EACH_ROLE - _done(path)}"
        time.sleep(0.5)


def _lines(path):
    """Whole ones: the last may be being written."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _done(path):
    return {line["f"] for line in _lines(path) if line["type"] == "ok"}


def test_every_journey_is_gone_to_its_end_and_nothing_is_refused(history):
    assert {line["f"] for line in history if line["type"] == "ok"} == OF_EACH_ROLE
    assert [line for line in history if line["type"] == "fail"] == []


def test_every_acknowledged_write_is_told_by_the_feed_in_order(history):
    """All is read on when the users are gone, and the drills' checker finds nothing wrong with it."""
    operations = list(in_operations(parse(json.dumps(line)) for line in history))
    acknowledged = [marker for op in operations if op.acknowledged for marker in op.markers]
    told = [marker for op in operations for event in op.told for marker in event.markers]
    assert Counter(told) == Counter(acknowledged)
    held = FinalState((NodeState("dc1-db1", True, True, 1, Counter(acknowledged), {}),))
    assert check_feed(operations, held, "r1") == ()
    assert {event.type for op in operations for event in op.told} >= {
        *("customer.registered", "request.registered", "request.taken", "request.closed"),
        "card-transaction-batch.received",
    }


def test_what_was_acknowledged_is_stored_once(history, crm):
    acknowledged = {line["v"] for line in history if line["type"] == "ok" and "v" in line}
    with psycopg.connect(crm.admin_url) as connection:
        stored = connection.execute(
            "SELECT external_id FROM crm.customer UNION ALL SELECT external_id FROM crm.request"
            " UNION ALL SELECT note FROM crm.request_event WHERE note IS NOT NULL"
            " UNION ALL SELECT processing_id FROM crm.card_transaction WHERE processing_id LIKE 'r1:%'"
        ).fetchall()
        transactions = connection.execute("SELECT count(*) FROM crm.card_transaction").fetchone()
    markers = Counter(marker for (marker,) in stored)
    assert acknowledged <= set(markers)
    assert set(markers.values()) == {1}
    batches = sum(line["f"] == "card_batch" and line["type"] == "invoke" for line in history)
    assert transactions == (batches * TRANSACTIONS_A_BATCH,)
