"""Everybody of the whole CRM against the API as it is served, on a real PostgreSQL: no journey is refused."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import psycopg
import pytest

from app.devserver import create_crm_database
from failover.drills.feed import check_feed
from failover.drills.history import operations as in_operations
from failover.drills.history import parse
from failover.drills.model import FinalState, NodeState
from failover.drills.webhooks import DELIVERY, check_webhooks
from loadtests.volumes import TRANSACTIONS_A_BATCH
from tests.integration.serving import serving

WAIT_SECONDS = 240.0  # a call lasts some twelve, on a machine that others share
OF_EACH_ROLE = {
    *("search", "get_window", "get_articles", "take", "close"),
    *("request", "get_request", "get_points", "list_cards", "list_requests", "customer", "card_batch"),
    *("follow", "list_webhooks", "subscribe", "get_secret", "unsubscribe"),
}
# Both the API, which lets subscribe, and the worker, which delivers, have to know.
DELIVERING = {
    "CRM_ACCESS_SECRET": base64.b64encode(bytes(32)).decode(),
    "CRM_WEBHOOK_NETWORKS": "127.0.0.0/8",
}


@pytest.fixture(scope="module")
def crm(postgres_server):
    return create_crm_database(postgres_server, "roles")


@pytest.fixture(scope="module")
def history(crm, tmp_path_factory):
    """The ledger, line by line, of a run that ended when each journey had been gone to its end."""
    path = tmp_path_factory.mktemp("run") / "history.jsonl"
    with serving(crm, CRM_WORKERS="1", CRM_LOG_LEVEL="WARNING", **DELIVERING) as address:
        command = [
            *(sys.executable, "-m", "loadtests", "run", "--profile=roles-smoke", "--run-id=r1", "--seed=7"),
            *(
                "--follow",
                "--receive=127.0.0.1",
                f"--entry=dc1={address}",
                f"--history={path}",
                f"--duration={2 * WAIT_SECONDS}",
            ),
            *(f"--attempt-timeout={WAIT_SECONDS}", f"--budget={WAIT_SECONDS}", f"--drain={WAIT_SECONDS}"),
        ]
        with _working(crm), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                _wait_for_everything(path)
            finally:
                process.terminate()
            said, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in (0, 1), said  # how fast it was says nothing here
    return _lines(path)


@contextmanager
def _working(crm):
    """The worker as an estate has it: tells of the card transactions that have come in, and delivers."""
    environment = {**os.environ, "CRM_DATABASE_URL": crm.url(), "CRM_MIGRATION_URL": crm.url(), **DELIVERING}
    with subprocess.Popen([sys.executable, "-m", "app", "worker"], env=environment) as process:
        try:
            yield
        finally:
            process.terminate()
    assert process.returncode == 0


def _wait_for_everything(path):
    deadline = time.monotonic() + WAIT_SECONDS
    wanted = OF_EACH_ROLE - {"unsubscribe"}
    while not _done(path) >= wanted:
        assert time.monotonic() < deadline, f"not seen: {wanted - _done(path)}"
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


def test_every_acknowledged_write_is_delivered_signed_and_in_order(history):
    """By the real worker, to the real receiver; what it says is what the feed says."""
    events = [parse(json.dumps(line)) for line in history]
    operations = list(in_operations(events))
    acknowledged = [marker for op in operations if op.acknowledged for marker in op.markers]
    held = FinalState((NodeState("dc1-db1", True, True, 1, Counter(acknowledged), {}),))
    assert check_webhooks(events, operations, held, "r1") == ()
    taken = {event.id for each in events if each.function == DELIVERY for event in each.told}
    fed = {event.id: event for op in operations for event in op.told}
    assert taken & set(fed)
    assert all(fed[id_].digest for id_ in taken & set(fed))


def test_its_subscription_is_removed_with_the_load(history, crm):
    sql = "SELECT active, removed_at IS NOT NULL FROM crm.subscription WHERE target = 'webhook'"
    with psycopg.connect(crm.admin_url) as connection:
        found = connection.execute(sql).fetchall()
    assert set(found) <= {(False, True)}  # the worker may have cleared it away
    assert "unsubscribe" in {line["f"] for line in history if line["type"] == "ok"}


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
