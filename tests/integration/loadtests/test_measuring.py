"""The profiles of issue 4 against the API as it is served, and the drill's checker on what they left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest

from app.devserver import THROWAWAY, CrmDatabase, create_crm_database, running_server
from app.roles import Role
from failover.drills.checker import Violation, check
from failover.drills.history import operations, read
from failover.drills.model import EventType
from failover.drills.state import SqlStateReader
from loadtests.profiles import DESK_STEPS
from loadtests.volumes import TRANSACTIONS_A_BATCH
from tests.integration.serving import serving

WAIT_SECONDS = 240.0  # for a few seconds of load, on a machine that others share
ENOUGH = 30  # operations that are done, of each kind that the profile is about


def _load(
    crm: CrmDatabase,
    profile: str,
    functions: tuple[str, ...],
    directory: Path,
    between: Sequence[Callable[[Path], None]] = (),
) -> Path:
    """Run the profile until enough of it is done, and as much again after each of what happens in between.

    The files are in the directory then.
    """
    history = directory / "history.jsonl"
    with serving(crm, CRM_WORKERS="1", CRM_LOG_LEVEL="WARNING") as address:
        command = [
            *(sys.executable, "-m", "loadtests", "run", f"--profile={profile}", "--run-id=r1", "--seed=7"),
            *(f"--entry=dc1={address}", f"--history={history}", f"--duration={2 * WAIT_SECONDS}"),
            *(f"--attempt-timeout={WAIT_SECONDS}", f"--budget={WAIT_SECONDS}", f"--drain={WAIT_SECONDS}"),
            f"--stats={directory / 'stats.json'}",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                _wait_for(functions, history)
                for happen in between:
                    happen(history)
                    _wait_for(functions, history)
            finally:
                process.terminate()
            said, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode in (0, 1), said  # how fast it was says nothing here
    return directory


def _wait_for(functions: tuple[str, ...], history: Path) -> None:
    before = _done(history)
    _until(lambda: all((_done(history) - before)[function] >= ENOUGH for function in functions), history)


def _until(condition: Callable[[], bool], history: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"done of it: {_done(history)}"
        time.sleep(0.5)


def _done(history: Path) -> Counter[str]:
    events = read(history) if history.exists() else ()
    return Counter(event.function for event in events if event.type is EventType.OK)


def _violations(crm, history):
    connect = lambda _host: psycopg.connect(crm.url(Role.AUDIT), autocommit=True)  # noqa: E731
    final = SqlStateReader(("primary",), connect).collect("r1", deadline_s=WAIT_SECONDS)
    return check(operations(read(history)), final, "r1")


@pytest.fixture(scope="module")
def fed(postgres_server, tmp_path_factory):
    """A database and the ledger of the feed that filled it."""
    crm = create_crm_database(postgres_server, "fed")
    return crm, _load(crm, "feed", ("card_batch",), tmp_path_factory.mktemp("feed")) / "history.jsonl"


def test_the_feed_sends_batches_and_every_transaction_of_them_is_there_once(fed):
    crm, history = fed
    batches = [operation for operation in operations(read(history)) if operation.acknowledged]
    assert {(batch.function, batch.size) for batch in batches} == {("card_batch", TRANSACTIONS_A_BATCH)}
    assert len({batch.proc for batch in batches}) > 1, "one channel alone"
    assert _violations(crm, history) == ()


def test_the_feed_goes_through_crashes_of_the_database(tmp_path):
    with running_server(THROWAWAY) as server:

        def crash(history: Path) -> None:
            server.stop(signal.SIGQUIT)
            since = time.monotonic_ns()
            sent = lambda event: event.type is EventType.INVOKE and event.t_ns > since  # noqa: E731
            _until(lambda: any(map(sent, read(history))), history)
            server.start()

        crm = create_crm_database(server)
        history = _load(crm, "feed", ("card_batch",), tmp_path, [crash, crash]) / "history.jsonl"
        assert _violations(crm, history) == ()


KEEP = "CREATE TEMP TABLE kept AS SELECT * FROM crm.card_transaction_detail WHERE processing_id = %(id)s"
DELETE = "DELETE FROM crm.card_transaction_detail WHERE processing_id = %(id)s"
INSERT = "INSERT INTO crm.card_transaction_detail SELECT * FROM kept"


@pytest.mark.parametrize(
    ("breaking", "found"),
    [(DELETE, {Violation.LOST, Violation.TORN}), (INSERT, {Violation.DUPLICATED})],
    ids=["gone", "doubled"],
)
def test_the_checker_sees_one_transaction_of_all(fed, breaking, found):
    crm, history = fed
    batch = next(operation for operation in operations(read(history)) if operation.acknowledged)
    one = {"id": batch.markers[TRANSACTIONS_A_BATCH // 2]}
    with psycopg.connect(crm.admin_url, autocommit=True) as connection:
        connection.execute(KEEP, one)
        connection.execute(breaking, one)
        findings = _violations(crm, history)
        connection.execute(DELETE, one)
        connection.execute(INSERT)
    assert {finding.violation for finding in findings} == found
    assert {finding.subject for finding in findings} <= {one["id"], batch.marker}
    assert _violations(crm, history) == ()


def test_operators_go_through_their_steps_and_each_is_measured(postgres_server, tmp_path):
    crm = create_crm_database(postgres_server, "desk")
    directory = _load(crm, "operators", DESK_STEPS, tmp_path)
    found = operations(read(directory / "history.jsonl"))
    assert {operation.outcome for operation in found} == {"ok"}
    assert {operation.function for operation in found} == {"customer", *DESK_STEPS}
    assert _violations(crm, directory / "history.jsonl") == ()
    work = json.loads((directory / "stats.json").read_text())["by_function"]
    for step in DESK_STEPS:
        latency = work[step]["latency"]
        assert latency["count"] >= ENOUGH
        assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= latency["max"]
