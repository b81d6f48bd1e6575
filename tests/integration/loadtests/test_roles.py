"""Everybody of the whole CRM against the API as it is served, on a real PostgreSQL: no journey is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter

import psycopg
import pytest

from app.devserver import create_crm_database
from loadtests.volumes import TRANSACTIONS_A_BATCH
from tests.integration.serving import serving

WAIT_SECONDS = 240.0  # a call lasts some twelve, on a machine that others share
OF_EACH_ROLE = {
    *("search", "get_window", "get_articles", "take", "close"),
    *("request", "get_request", "get_points", "list_cards", "list_requests", "customer", "card_batch"),
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
            *(f"--entry=dc1={address}", f"--history={path}", f"--duration={2 * WAIT_SECONDS}"),
            *(f"--attempt-timeout={WAIT_SECONDS}", f"--budget={WAIT_SECONDS}", f"--drain={WAIT_SECONDS}"),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                _wait_for_everything(path)
            finally:
                process.terminate()
            said, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in (0, 1), said  # how fast it was says nothing here
    return _lines(path)


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
