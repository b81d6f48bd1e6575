"""The whole load generator, as a process, against a CRM whose network breaks in every way."""

import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

ENDINGS = {"ok", "fail", "info"}
WAIT_S = 120.0


class Run:
    """One finished run: its ledger grouped by operation, its statistics, its exit status."""

    def __init__(self, history: Path, stats: Path, process: subprocess.CompletedProcess[str]) -> None:
        self.lines = [json.loads(line) for line in history.read_text().splitlines()]
        self.stats = json.loads(stats.read_text()) if stats.exists() else None
        self.process = process
        self.operations: dict[str, list[dict]] = defaultdict(list)
        for line in self.lines:
            self.operations[line["k"]].append(line)

    def writes(self) -> dict[str, list[dict]]:
        return {key: lines for key, lines in self.operations.items() if "v" in lines[0]}

    def outcomes(self) -> dict[str, str]:
        return {key: lines[-1]["type"] for key, lines in self.writes().items()}


@pytest.fixture
def command(tmp_path, authority):
    def make(*entries: str, duration: float = 2, budget: float = 20) -> list[str]:
        named = [f"--entry=dc{number}={url}" for number, url in enumerate(entries, start=1)]
        return [
            *(sys.executable, "-m", "loadtests", "run", "--profile=smoke", "--run-id=r1", "--seed=7", *named),
            *(f"--ca={authority[0]}", f"--history={tmp_path / 'history.jsonl'}"),
            *(f"--stats={tmp_path / 'stats.json'}", f"--duration={duration}", f"--budget={budget}"),
            *("--attempt-timeout=1.5", "--connect-timeout=1.5"),
        ]

    return make


@pytest.fixture
def run(command, tmp_path):
    def start(*entries: str, **options: float) -> Run:
        done = subprocess.run(command(*entries, **options), capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return Run(tmp_path / "history.jsonl", tmp_path / "stats.json", done)

    return start


def by_turns(fault_of):
    """Let the first attempt of every write fail, each in its turn; what is refused stays refused."""

    def plan(key, attempt):
        if ":" not in key:
            return fault_of.NONE
        fault = list(fault_of)[int(key.rpartition(":")[2]) % len(fault_of)]
        return fault if attempt == 1 or fault is fault_of.INVALID_422 else fault_of.NONE

    return plan


def test_every_fault_ends_as_what_it_is(run, chaos, faults):
    crm = chaos(by_turns(faults))
    found = run(crm.url, duration=9)
    seen = set()
    for key, lines in found.writes().items():
        fault = list(faults)[int(key.rpartition(":")[2]) % len(faults)]
        seen.add(fault)
        kinds = [line["type"] for line in lines]
        if fault is faults.INVALID_422:
            assert kinds == ["invoke", "fail"], lines
            assert crm.executions[key] == 0
        else:
            assert (kinds[0], kinds[-1]) == ("invoke", "ok"), (fault, lines)
            # A machine under load may add an attempt that took too long.
            assert ("retry" in kinds) or fault is faults.NONE, (fault, lines)
            assert [line["attempt"] for line in lines[1:]] == list(range(1, len(lines)))
    assert seen == set(faults)
    assert {count for count in crm.executions.values() if count} == {1}


def test_what_is_acknowledged_is_what_was_executed(run, chaos, faults):
    crm = chaos(by_turns(faults))
    found = run(crm.url, duration=4)
    acknowledged = {key for key, outcome in found.outcomes().items() if outcome == "ok"}
    executed = {key for key in crm.executions if key.startswith("r1:") and "/" not in key}
    assert acknowledged == executed
    assert found.stats["totals"]["gave_up"] == 0


def test_an_attempt_names_its_node_timeline_and_position(run, chaos, faults):
    found = run(chaos(lambda *_: faults.NONE).url)
    acknowledged = [lines[-1] for lines in found.writes().values()]
    assert acknowledged
    for line in acknowledged:
        assert (line["node"], line["timeline"], line["lsn"]) == ("10.77.1.21", 3, "0/5000148")
        assert line["status"] == 201
        assert line["latency_ns"] > 0


def test_a_run_that_ends_in_its_ramp_has_no_rate_and_does_not_pass(run, chaos, faults):
    found = run(chaos(lambda *_: faults.NONE).url, duration=2)
    assert found.stats["totals"]["ok"] > 0
    assert (found.stats["rate"], found.stats["feed_rate"]) == (None, None)
    assert "rate unknown" in found.process.stdout
    assert any("no rate to judge" in reason for reason in found.stats["judgement"]["reasons"])
    assert found.process.returncode == 1


def test_a_dead_entry_is_passed_over_and_remembered(run, chaos, faults, dead_url):
    found = run(dead_url, chaos(lambda *_: faults.NONE).url)
    assert set(found.outcomes().values()) == {"ok"}
    feed = [line for line in found.lines if line["proc"].startswith("feed") and line["type"] == "retry"]
    # The channels of the feed share what they know: only those under way at the first failure met it too.
    assert 1 <= len(feed) <= 6
    assert all(line["route"] == "dc1" for line in feed)


def test_an_entry_without_a_primary_is_left_for_one_with(run, chaos, faults):
    lost = chaos(lambda *_: faults.NO_PRIMARY_503)
    lost.serves = "reads"
    found = run(lost.url, chaos(lambda *_: faults.NONE).url)
    assert set(found.outcomes().values()) == {"ok"}
    assert {lines[-1]["route"] for lines in found.writes().values()} == {"dc2"}


def test_a_spent_budget_leaves_the_outcome_unknown(run, chaos, faults):
    found = run(chaos(lambda *_: faults.NO_PRIMARY_503).url, duration=3, budget=1)
    given_up = [lines[-1] for lines in found.writes().values() if "gave up" in lines[-1].get("err", "")]
    assert given_up
    assert {line["type"] for line in given_up} == {"info"}
    assert found.stats["totals"]["gave_up"] >= len(given_up)
    assert found.process.returncode == 1


def test_a_refusal_after_an_unknown_attempt_is_unknown(run, chaos, faults):
    plan = {1: faults.EXECUTED_THEN_RESET, 2: faults.INVALID_422}
    found = run(chaos(lambda key, attempt: plan[attempt] if ":" in key else faults.NONE).url)
    assert set(found.outcomes().values()) == {"info"}


def test_a_read_that_breaks_is_counted_as_an_attempt_too(run, chaos, faults):
    first_breaks = lambda key, attempt: (  # noqa: E731
        faults.EXECUTED_THEN_RESET if "/requests?" in key and attempt == 1 else faults.NONE
    )
    found = run(chaos(first_breaks).url)
    lists = [lines for lines in found.operations.values() if lines[0]["f"] == "list_requests"]
    assert lists
    assert all([line["type"] for line in lines] == ["invoke", "retry", "ok"] for lines in lists[:1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_finishes_what_is_in_flight(command, tmp_path, chaos, faults, number):
    arguments = command(chaos(lambda *_: faults.NONE).url, duration=60)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        _wait_for_lines(tmp_path / "history.jsonl", 20)
        process.send_signal(number)
        output, _ = process.communicate(timeout=WAIT_S)
    found = Run(tmp_path / "history.jsonl", tmp_path / "stats.json", None)
    assert "ending" in output
    assert process.returncode in (0, 1)
    assert all(lines[-1]["type"] in ENDINGS for lines in found.operations.values())
    assert found.stats is not None


def test_a_load_without_a_duration_ends_with_who_started_it(command, tmp_path, chaos, faults):
    endless = [
        word for word in command(chaos(lambda *_: faults.NONE).url) if not word.startswith("--duration")
    ]
    starter = (
        "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], stdout=-3).pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter, *endless], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        load = int(process.stdout.readline())
        _wait_for_lines(tmp_path / "history.jsonl", 20)
        process.kill()
    deadline = time.monotonic() + WAIT_S
    while not (tmp_path / "stats.json").exists():
        assert time.monotonic() < deadline, f"process {load} goes on"
        time.sleep(0.1)


def test_a_killed_run_leaves_every_line_whole(command, tmp_path, chaos, faults):
    crm = chaos(lambda *_: faults.NONE)
    with subprocess.Popen(command(crm.url, duration=60), stdout=subprocess.DEVNULL) as process:
        _wait_for_lines(tmp_path / "history.jsonl", 20)
        process.kill()
    found = Run(tmp_path / "history.jsonl", tmp_path / "stats.json", None)
    # Whatever the CRM executed had been written down before it was sent.
    assert {key for key in list(crm.executions) if key.startswith("r1:")} <= set(found.operations)


def _wait_for_lines(path: Path, lines: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while not path.exists() or path.read_text().count("\n") < lines:
        assert time.monotonic() < deadline, "the load did not begin"
        time.sleep(0.05)
