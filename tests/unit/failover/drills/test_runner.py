"""A drill from beginning to end, and with something going wrong at every single step."""

import errno
import json
import signal
from collections import defaultdict
from dataclasses import replace

import pytest

from failover.drills import history
from failover.drills.history import Recorder
from failover.drills.interrupts import Interrupted
from failover.drills.model import ReplicationMode
from failover.drills.moments import Mark, Moments
from failover.drills.order import DrillError
from failover.drills.ports import PortError
from failover.drills.scenarios import SCENARIOS
from tests.unit.failover.drills.conftest import WorldState

LOOKS_A_SECOND = 2  # at the feed, in the world of these tests


@pytest.fixture(autouse=True)
def hang_ups_count():
    """A drill leaves an ignored SIGHUP ignored, and these tests may themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if not scenario.must_fail])
def test_a_drill_of_a_cluster_that_keeps_its_promises_passes(drill, world, name):
    verdict = drill(name)
    assert verdict.passed, verdict.reasons
    assert verdict.rpo.acknowledged > 0
    assert (verdict.rpo.lost, verdict.rpo.duplicated, verdict.rpo.phantom) == (0, 0, 0)
    assert verdict.writers_max == 1
    assert world.broken == []


def test_asynchronous_replication_is_caught_losing_writes(drill, world):
    verdict = drill("site-loss-async")
    assert not verdict.passed
    assert verdict.must_fail
    assert verdict.rpo.lost > 0
    assert any("missing" in reason for reason in verdict.reasons)
    assert world.broken == []


def test_a_feed_in_batches_is_counted_by_its_transactions(drill, world):
    world.batch = 5
    verdict = drill("site-loss")
    assert verdict.passed, verdict.reasons
    assert verdict.card_transactions.acknowledged == 5 * verdict.rpo.acknowledged
    fed, operations = verdict.card_transactions.throughput.before_rps, verdict.throughput.before_rps
    assert fed == pytest.approx(5 * (operations - LOOKS_A_SECOND), abs=1)


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ((0, 1, 2, 4), "writes are stored in part"),
        ((0, 1, 2, 4), "acknowledged writes are missing"),
        ((0, 1, 2, 3, 3, 4), "writes are stored more than once"),
    ],
)
def test_one_transaction_of_a_batch_that_is_gone_or_doubled_fails_the_drill(drill, world, places, reason):
    world.batch, world.stores = 5, lambda _: places
    verdict = drill("site-loss")
    assert not verdict.passed
    assert any(reason.capitalize() in said for said in verdict.reasons)


def test_the_feed_is_followed_through_a_site_loss(drill):
    verdict = drill("site-loss")
    told = verdict.events
    assert told.writes == verdict.rpo.acknowledged == told.told
    assert (told.missing, told.disordered, told.retold, told.cursors, told.phantom) == (0, 0, 0, 0, 0)
    assert 0 < told.delay_median_s <= told.delay_max_s
    assert told.delay_max_before_s <= told.delay_max_s


@pytest.mark.parametrize(
    ("tells", "reason"),
    [
        (lambda page: page[1:], "events of acknowledged writes are missing"),
        (lambda page: page[:-1], "cursors of the feed are refused"),
        (
            lambda page: [replace(told, id="e", position=told.position) for told in page],
            "told again as others",
        ),
        (lambda page: [replace(told, markers=("r1:feed-9:9",)) for told in page], "phantom events"),
    ],
)
def test_a_feed_that_breaks_a_promise_fails_the_drill(drill, world, tells, reason):
    world.tells = tells
    verdict = drill("switchover")
    assert not verdict.passed
    assert any(reason in said.lower() for said in verdict.reasons)


def test_webhooks_are_taken_through_a_site_loss(drill):
    verdict = drill("site-loss")
    found = verdict.webhooks
    assert found.writes == verdict.rpo.acknowledged == found.delivered == found.attempts
    assert (found.missing, found.disordered, found.changed, found.forged, found.phantom) == (0, 0, 0, 0, 0)
    assert 0 < found.delay_median_s <= found.delay_max_s


@pytest.mark.parametrize(
    ("delivers", "reason"),
    [
        (lambda found: found[1:], "events of acknowledged writes are not delivered"),
        (lambda _: [], "no delivery was taken: nothing is proven"),
        (
            lambda found: [replace(each, state="refused", status=503) for each in found],
            "no delivery was taken: nothing is proven",
        ),
        (lambda found: [replace(each, err="no signature") for each in found], "no valid signature"),
        (
            lambda found: [replace(each, told=(replace(each.told[0], digest="other"),)) for each in found],
            "another content than the feed's",
        ),
        (
            lambda found: [replace(each, told=(replace(each.told[0], id="e"),)) for each in found],
            "phantom events are delivered",
        ),
    ],
)
def test_webhooks_that_break_a_promise_fail_the_drill(drill, world, tmp_path, delivers, reason):
    world.delivers = delivers
    verdict = drill("switchover")
    assert not verdict.passed
    findings = (tmp_path / "report" / "findings.json").read_text()
    assert any(reason in said.lower() for said in (*verdict.reasons, findings))


def test_what_was_told_of_lost_writes_fails_the_drill_too(drill):
    """The feed has told what the link kept from the other site; after the loss it was never so."""
    verdict = drill("site-loss-async")
    assert verdict.rpo.lost > 0
    assert verdict.events.phantom > 0
    assert verdict.webhooks.phantom > 0
    assert verdict.events.cursors > 0
    assert not verdict.passed


def test_a_site_loss_is_measured_and_explained(drill, tmp_path):
    verdict = drill("site-loss")
    phases = verdict.phases
    lengths = [phases.detect, phases.release, phases.promote, phases.route, phases.first_write]
    assert None not in lengths
    assert sum(lengths) == pytest.approx(verdict.rto_s, abs=0.01)
    assert verdict.write_stall_max_s == pytest.approx(verdict.rto_s, abs=0.5)
    assert verdict.throughput.before_rps > verdict.throughput.during_rps
    assert verdict.requests.failed > 0
    assert verdict.requests.gave_up == 0
    assert verdict.parity_s > verdict.healing_s
    written = json.loads((tmp_path / "report" / "verdict.json").read_text())
    assert written["rto_s"] == verdict.rto_s


def test_the_time_that_preparing_a_fault_takes_is_not_counted(drill, world):
    world.preparing_s = 60.0
    assert 0 < drill("primary-process-crash").rto_s < world.preparing_s


def test_a_node_that_is_watched_no_more_could_have_written(drill, world):
    """A thread of the observer's has ended: the others go on."""
    world.after(4, lambda: world.sampled.remove("dc2-db2"))
    verdict = drill("switchover")
    (failed,) = (check for check in verdict.checks if not check.passed)
    assert failed.name == "One writer at a time"
    assert "dc2-db2" in failed.detail


def test_a_primary_that_had_to_stay_and_moved_fails(drill, world):
    world.after(5, lambda: move_to_dc2(world))
    verdict = drill("witness-loss")
    assert [check.name for check in verdict.checks if not check.passed] == ["The primary stayed"]


def move_to_dc2(world):
    world.primary, world.timeline = "dc2-db1", 2


def test_a_frozen_primary_thaws_while_the_load_runs(drill, tmp_path):
    verdict = drill("primary-frozen")
    assert verdict.passed, verdict.reasons
    events = list(history.read(tmp_path / "report" / "history.jsonl"))
    at = Moments.of(events).at_ns
    assert at[Mark.RECOVERED] < at[Mark.HEALING] <= at[Mark.HEALED] < at[Mark.LOAD_STOPPED]


def test_the_primary_is_returned_to_its_site(drill, world):
    drill("site-loss")
    assert world.primary.startswith("dc1")


def test_a_return_that_is_refused_once_is_asked_again(drill, world):
    refusals = ["the estate is not fit for a switch"]

    def refuse_once(_number, name):
        if name == "switchover" and refusals:
            raise PortError(refusals.pop())

    world.wire = refuse_once
    assert drill("site-loss").passed
    assert refusals == []
    assert world.primary.startswith("dc1")


def test_the_primary_is_not_called_returned_while_there_is_none(drill, world):
    """Patroni elects for a moment after parity, and then somebody of the other site leads."""
    collect = WorldState.collect

    def lose(state, run_id, deadline_s):
        found = collect(state, run_id, deadline_s)
        world.primary = None
        world.after(2, lambda: move_to_dc2(world))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorldState, "collect", lose)
        assert drill("witness-loss").passed
    assert world.primary.startswith("dc1")


@pytest.mark.parametrize("call", ["versions", "zookeeper_leader", "entry_holder", "load.start"])
def test_a_question_that_a_busy_estate_refuses_once_is_asked_again(drill, world, call):
    refusals = ["no answer within 1 s"]

    def refuse_once(_number, name):
        if name == call and refusals:
            raise PortError(refusals.pop())

    world.wire = refuse_once
    verdict = drill("switchover")
    assert (refusals, verdict.passed) == ([], True), verdict.reasons


def test_a_return_that_stays_refused_is_told(drill, world):
    def refuse(_number, name):
        if name == "switchover":
            raise PortError("the estate is not fit for a switch")

    world.wire = refuse
    verdict = drill("site-loss")
    assert not verdict.passed
    assert "the estate is not fit for a switch" in verdict.reasons[0]


def test_the_directory_holds_everything(drill, tmp_path):
    drill("switchover")
    found = {path.name for path in (tmp_path / "report").iterdir()}
    assert found == {
        "history.jsonl", "verdict.json", "findings.json", "final-state.json", "hosts.log", "report.html"
    }  # fmt: skip


def test_a_cluster_that_is_not_whole_is_not_drilled(drill, world):
    world.joined.discard("dc2-db1")
    with pytest.raises(DrillError, match="dc2-db1"):
        drill("site-loss")
    assert world.load is None


def test_no_recovery_fails_but_is_healed_and_compared(drill, world):
    world.never_promotes = True
    verdict = drill("site-loss")
    assert not verdict.passed
    assert verdict.rto_s is None
    assert any("recovery not reached" in reason for reason in verdict.reasons)
    assert world.broken == []


def test_no_parity_fails(drill, world):
    world.never_rejoins = True
    verdict = drill("site-loss")
    assert not verdict.passed
    assert any("parity not reached" in reason for reason in verdict.reasons)


def test_a_load_that_dies_fails_the_drill_and_heals(drill, world):
    world.after(3, lambda: setattr(world, "load_died", "exit status 3"))
    verdict = drill("site-loss")
    assert not verdict.passed
    assert any("exit status 3" in reason for reason in verdict.reasons)
    assert world.broken == []


def test_a_ledger_that_contradicts_itself_proves_nothing(drill, world, tmp_path):
    def spoil():
        with world.load.history.open("a") as ledger:
            ledger.write('{"t_ns": 1, "proc": "feed-1", "type": "ok", "f": "x", "k": "never invoked"}\n')

    world.after(3, spoil)
    verdict = drill("switchover")
    assert not verdict.passed
    assert any("proves nothing" in reason for reason in verdict.reasons)
    assert (tmp_path / "report" / "history-load.jsonl").exists()


def test_nothing_is_overwritten(drill):
    drill("switchover")
    with pytest.raises(DrillError, match="not an empty directory"):
        drill("switchover")


@pytest.mark.parametrize("used", ["a directory with a file", "a file"])
def test_a_used_report_directory_is_refused_before_anybody_is_asked(drill, world, tmp_path, used):
    report = tmp_path / "report"
    if used == "a file":
        report.write_text("")
    else:
        report.mkdir()
        (report / "load.log").write_text("")
    with pytest.raises(DrillError, match="not an empty directory"):
        drill("switchover")
    assert world.calls == 0


def test_an_empty_report_directory_will_do(drill, tmp_path):
    (tmp_path / "report").mkdir()
    assert drill("switchover").passed


def test_a_mode_that_a_killed_drill_left_is_set_back_and_said(world, drill):
    world.mode = ReplicationMode.ASYNCHRONOUS
    told = []
    assert drill("switchover", say=told.append).passed
    assert "replication was asynchronous" in told[0]
    assert world.mode is ReplicationMode.SYNCHRONOUS


def test_a_mode_that_cannot_be_set_back_is_what_the_drill_is_refused_for(world, drill, tmp_path):
    world.mode = ReplicationMode.ASYNCHRONOUS

    def wire(_number, name):
        if name == "set_replication":
            fail(name)

    world.wire = wire
    with pytest.raises(DrillError, match="replication is asynchronous, not synchronous"):
        drill("switchover")
    assert not (tmp_path / "report").exists()


def trip(world, at, action):
    def wire(number, name):
        if number == at:
            action(name)

    world.wire = wire


def fail(name):
    raise PortError(f"{name} failed on purpose")


def telling_calls(name, new_drill, directory):
    """The first, second and last call of each port: polls between them are all alike."""
    world, drill = new_drill(directory)
    numbers = defaultdict(list)
    world.wire = lambda number, port: numbers[port].append(number)
    drill(name)
    return sorted({number for found in numbers.values() for number in (*found[:2], found[-1])})


@pytest.mark.parametrize("name", ["site-loss", "site-loss-async", "switchover"])
def test_whatever_call_fails_everything_is_healed(name, tmp_path, new_drill):
    for at in telling_calls(name, new_drill, tmp_path / "whole"):
        world, drill = new_drill(tmp_path / str(at))
        trip(world, at, fail)
        try:
            drill(name)
        except DrillError:
            assert world.load is None
        assert world.broken == [], f"call {at}"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("site-loss-async", signal.SIGINT),
        ("switchover", signal.SIGTERM),
        ("site-loss", signal.SIGHUP),
    ],
)
def test_interrupted_anywhere_it_heals_before_it_ends(name, number, tmp_path, new_drill):
    interrupted = 0
    for at in telling_calls(name, new_drill, tmp_path / "whole"):
        world, drill = new_drill(tmp_path / str(at))
        trip(world, at, lambda _name: signal.raise_signal(number))
        try:
            drill(name)
        except Interrupted as interruption:
            interrupted += interruption.signum == number
        assert world.broken == [], f"call {at}"
    assert interrupted > 5


def test_a_terminal_that_is_gone_neither_ends_the_drill_nor_its_healing(tmp_path, drill, world):
    """After SIGHUP every word to the terminal fails (EIO), also those of healing."""

    def gone(_text):
        raise OSError(errno.EIO, "Input/output error")

    world.after(4, lambda: signal.raise_signal(signal.SIGHUP))
    with pytest.raises(Interrupted, match="SIGHUP"):
        drill("site-loss", say=gone)
    assert world.broken == []
    assert (tmp_path / "report" / "verdict.json").exists()


def test_what_was_not_compared_is_not_called_zero(drill, world, tmp_path):
    world.after(4, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        drill("site-loss")
    verdict = json.loads((tmp_path / "report" / "verdict.json").read_text())
    assert verdict["rpo"]["acknowledged"] > 0
    assert [verdict["rpo"][fate] for fate in ("lost", "duplicated", "phantom")] == [None, None, None]
    assert not verdict["passed"]
    assert sum("not compared" in reason for reason in verdict["reasons"]) == 1
    passed = {check["name"]: check["passed"] for check in verdict["checks"]}
    assert not passed["No acknowledged write is lost"]
    assert "not compared" in (tmp_path / "report" / "report.html").read_text()


def test_under_nohup_a_lost_terminal_ends_nothing(world, drill):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        world.after(4, lambda: signal.raise_signal(signal.SIGHUP))
        assert drill("site-loss").passed
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("name", ["site-loss", "primary-frozen"])
def test_a_disk_that_is_full_keeps_nobody_from_healing(world, drill, monkeypatch, name):
    record = Recorder.record

    def full(recorder, event):
        if event.entity in (Mark.LOAD_STOPPED, Mark.HEALING, Mark.HEALED):
            raise OSError(errno.ENOSPC, "No space left on device")
        record(recorder, event)

    monkeypatch.setattr(Recorder, "record", full)
    verdict = drill(name)
    assert world.broken == []
    assert any("No space left on device" in reason for reason in verdict.reasons)


def test_a_fault_of_the_program_itself_heals_too(world, drill):
    def wrong(_name):
        raise RuntimeError("a bug")

    def wire(_number, name):
        if name == "power_cut":
            wrong(name)

    world.wire = wire
    with pytest.raises(RuntimeError, match="a bug"):
        drill("site-loss")
    assert world.broken == []
