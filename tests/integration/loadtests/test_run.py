"""The whole load generator, as a process, against a CRM whose network breaks in every way."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.profiles import RAMP_S
from loadtests.summary import STEADY_MIN_S

ENDINGS = {"ok", "fail", "info"}
WAIT_S = 240.0
# How long an attempt lasts where an answer may stay out: less than the chaotic CRM's silence.
SOON_S = 1.5


class Run:
    """A run: its ledger grouped by operation, and after its end its statistics and what it said."""

    def __init__(self, history: Path, stats: Path, said: str = "", status: int | None = None) -> None:
        text = history.read_text() if history.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # while it goes on, the last line may be being written
        self.lines = [json.loads(line) for line in whole.splitlines()]
        self.stats = json.loads(stats.read_text()) if stats.exists() else None
        self.said, self.status = said, status
        self.operations: dict[str, list[dict]] = defaultdict(list)
        for line in self.lines:
            self.operations[line["k"]].append(line)

    def writes(self) -> dict[str, list[dict]]:
        return {key: lines for key, lines in self.operations.items() if "v" in lines[0]}

    def outcomes(self) -> dict[str, str]:
        return {key: lines[-1]["type"] for key, lines in self.writes().items()}


def of_writes(outcome: str, count: int = 1) -> Callable[[Run], bool]:
    return lambda found: list(found.outcomes().values()).count(outcome) >= count


@pytest.fixture
def command(tmp_path, authority):
    """The command of a load that ends when it is told to."""

    def make(*entries: str, attempt: float = WAIT_S, budget: float = WAIT_S) -> list[str]:
        named = [f"--entry=dc{number}={url}" for number, url in enumerate(entries, start=1)]
        return [
            *(sys.executable, "-m", "loadtests", "run", "--profile=smoke", "--run-id=r1", "--seed=7", *named),
            *(f"--ca={authority[0]}", f"--history={tmp_path / 'history.jsonl'}"),
            *(f"--stats={tmp_path / 'stats.json'}", f"--duration={2 * WAIT_S}", f"--budget={budget}"),
            *(f"--attempt-timeout={attempt}", f"--connect-timeout={attempt}", f"--drain={WAIT_S}"),
        ]

    return make


@pytest.fixture
def run(command, tmp_path):
    """Run the load until it has come to what the test is about, however long that takes here."""
    history, stats = tmp_path / "history.jsonl", tmp_path / "stats.json"

    def start(*entries: str, until: Callable[[Run], bool], **options: float) -> Run:
        history.unlink(missing_ok=True)
        with subprocess.Popen(command(*entries, **options), stdout=subprocess.PIPE, text=True) as process:
            try:
                _wait(lambda: until(Run(history, stats)), "the load did not come to that")
            finally:
                process.terminate()
            said, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode in (0, 1), said
        return Run(history, stats, said, process.returncode)

    return start


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def by_turns(fault_of):
    """Let the first attempt of every write fail, each in its turn; what is refused stays refused."""

    def plan(key, attempt):
        if ":" not in key:
            return fault_of.NONE
        fault = list(fault_of)[int(key.rpartition(":")[2]) % len(fault_of)]
        return fault if attempt == 1 or fault is fault_of.INVALID_422 else fault_of.NONE

    return plan


def fault_of_turn(key, faults):
    return list(faults)[int(key.rpartition(":")[2]) % len(faults)]


def kinds_of_turns(found, faults):
    """fault -> what its writes were written down as."""
    kinds = defaultdict(list)
    for key, lines in found.writes().items():
        kinds[fault_of_turn(key, faults)].append([line["type"] for line in lines])
    return kinds


def test_every_fault_ends_as_what_it_is(run, chaos, faults):
    def seen(found):
        kinds = kinds_of_turns(found, faults)
        ended = {fault for fault, each in kinds.items() if any(k[-1] in ENDINGS for k in each)}
        return ended == set(faults) and ["invoke", "fail"] in kinds[faults.INVALID_422]

    crm = chaos(by_turns(faults))
    found = run(crm.url, until=seen, attempt=SOON_S)
    for fault, each in kinds_of_turns(found, faults).items():
        for kinds in each:
            repeated = "retry" in kinds  # a machine under load may add an attempt that took too long
            if fault is faults.INVALID_422:
                assert kinds[-1] == ("info" if repeated else "fail"), (fault, kinds)
            else:
                assert (kinds[0], kinds[-1]) == ("invoke", "ok"), (fault, kinds)
                assert repeated or fault is faults.NONE, (fault, kinds)
    for key, lines in found.writes().items():
        assert [line["attempt"] for line in lines[1:]] == list(range(1, len(lines)))
        assert crm.executions[key] == (fault_of_turn(key, faults) is not faults.INVALID_422)


def test_what_is_acknowledged_is_what_was_executed(run, chaos, faults):
    crm = chaos(by_turns(faults))
    found = run(crm.url, until=of_writes("ok", 2 * len(faults)), attempt=SOON_S)
    acknowledged = {key for key, outcome in found.outcomes().items() if outcome == "ok"}
    executed = {key for key in crm.executions if key.startswith("r1:") and "/" not in key}
    assert acknowledged == executed
    assert found.stats["totals"]["gave_up"] == 0


def test_an_attempt_names_its_node_timeline_and_position(run, chaos, faults):
    found = run(chaos(lambda *_: faults.NONE).url, until=of_writes("ok"))
    acknowledged = [lines[-1] for lines in found.writes().values()]
    assert acknowledged
    for line in acknowledged:
        assert (line["node"], line["timeline"], line["lsn"]) == ("10.77.1.21", 3, "0/5000148")
        assert line["status"] == 201
        assert line["latency_ns"] > 0


def test_a_run_that_ends_in_its_ramp_has_no_rate_and_does_not_pass(run, chaos, faults):
    crm = chaos(lambda *_: faults.NONE)
    for _ in range(20):  # until one is quick enough for that
        found = run(crm.url, until=of_writes("ok"))
        if found.stats["duration_s"] < RAMP_S + STEADY_MIN_S:
            break
    assert found.stats["totals"]["ok"] > 0
    assert [found.stats[figure] for figure in ("rate", "feed_rate", "cores")] == [None] * 3
    assert "rate unknown" in found.said
    assert any("no rate to judge" in reason for reason in found.stats["judgement"]["reasons"])
    assert found.status == 1


def test_what_is_done_once_the_load_has_ended_is_in_no_rate(command, tmp_path, chaos, faults):
    """Every answer stays out until the users are told to leave: then some come, too late to count."""
    ended = threading.Event()

    def held(_key, _attempt):
        ended.wait(WAIT_S)
        return faults.NONE

    ramp_is_over = f"--duration={RAMP_S + 2 * STEADY_MIN_S}"
    crm = chaos(held)
    with subprocess.Popen([*command(crm.url), ramp_is_over], stdout=subprocess.PIPE, text=True) as process:
        said = ""
        while "ending" not in said:
            said = process.stdout.readline()
            assert said, "it ended without a word of it"
        ended.set()
        process.communicate(timeout=WAIT_S)
    found = Run(tmp_path / "history.jsonl", tmp_path / "stats.json")
    assert found.stats["totals"]["ok"] > 0
    assert (found.stats["rate"], found.stats["feed_rate"]) == (0, 0)


def test_a_dead_entry_is_passed_over_and_remembered(run, chaos, faults, dead_url):
    found = run(dead_url, chaos(lambda *_: faults.NONE).url, until=of_writes("ok", 8))
    assert set(found.outcomes().values()) == {"ok"}
    feed = [line for line in found.lines if line["proc"].startswith("feed") and line["type"] == "retry"]
    # The channels of the feed share what they know: only those under way at the first failure met it too.
    assert 1 <= len(feed) <= 6
    assert all(line["route"] == "dc1" for line in feed)


def test_an_entry_without_a_primary_is_left_for_one_with(run, chaos, faults):
    lost = chaos(lambda *_: faults.NO_PRIMARY_503)
    lost.serves = "reads"
    found = run(lost.url, chaos(lambda *_: faults.NONE).url, until=of_writes("ok", 4))
    assert set(found.outcomes().values()) == {"ok"}
    assert {lines[-1]["route"] for lines in found.writes().values()} == {"dc2"}


def test_a_spent_budget_leaves_the_outcome_unknown(run, chaos, faults):
    def given_up(found):
        return [lines[-1] for lines in found.writes().values() if "gave up" in lines[-1].get("err", "")]

    found = run(chaos(lambda *_: faults.NO_PRIMARY_503).url, until=given_up, budget=1)
    assert {line["type"] for line in given_up(found)} == {"info"}
    assert found.stats["totals"]["gave_up"] >= len(given_up(found))
    assert found.status == 1


def test_a_refusal_after_an_unknown_attempt_is_unknown(run, chaos, faults):
    plan = {1: faults.EXECUTED_THEN_RESET, 2: faults.INVALID_422}
    crm = chaos(lambda key, attempt: plan[attempt] if ":" in key else faults.NONE)
    found = run(crm.url, until=of_writes("info"))
    assert set(found.outcomes().values()) == {"info"}


def test_a_read_that_breaks_is_counted_as_an_attempt_too(run, chaos, faults):
    def lists(found):
        of = [lines for lines in found.operations.values() if lines[0]["f"] == "list_requests"]
        return [[line["type"] for line in lines] for lines in of]

    first_breaks = lambda key, attempt: (  # noqa: E731
        faults.EXECUTED_THEN_RESET if "/requests?" in key and attempt == 1 else faults.NONE
    )
    broken = ["invoke", "retry", "ok"]
    found = run(chaos(first_breaks).url, until=lambda found: broken in lists(found))
    assert lists(found)[0] == broken


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_finishes_what_is_in_flight(command, tmp_path, chaos, faults, number):
    arguments = command(chaos(lambda *_: faults.NONE).url)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        _wait_for_lines(tmp_path / "history.jsonl", 20)
        process.send_signal(number)
        output, _ = process.communicate(timeout=WAIT_S)
    found = Run(tmp_path / "history.jsonl", tmp_path / "stats.json")
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
    _wait((tmp_path / "stats.json").exists, f"process {load} goes on")


def test_a_killed_run_leaves_every_line_whole(command, tmp_path, chaos, faults):
    crm = chaos(lambda *_: faults.NONE)
    with subprocess.Popen(command(crm.url), stdout=subprocess.DEVNULL) as process:
        _wait_for_lines(tmp_path / "history.jsonl", 20)
        process.kill()
    found = Run(tmp_path / "history.jsonl", tmp_path / "stats.json")
    # Whatever the CRM executed had been written down before it was sent.
    assert {key for key in list(crm.executions) if key.startswith("r1:")} <= set(found.operations)


def _wait_for_lines(path: Path, lines: int) -> None:
    _wait(lambda: path.exists() and path.read_text().count("\n") >= lines, "the load did not begin")
