"""The stall that a planned switch lets expect: from the estate's own switches where there are any."""

import json
from dataclasses import replace

import pytest

from failover.journal import Entry, Event, Outcome, Record, entry_from_json, entry_to_json
from failover.plan import Operation, Plan
from failover.procedures import switchover
from failover.proof.hands import runner
from failover.proof.rehearsal import Rehearsal
from failover.stall import (
    COPY_AGAIN_WORST_S,
    LAST,
    RECONNECT_S,
    REFERENCE,
    STEPS,
    Experience,
    LiveFigures,
    expected,
    step_times,
)
from failover.transitions import Durability

IDLE = LiveFigures(0.0, 0.0, 0, 0.004)
PLAN = switchover.plan(switchover.Switch("op-1", "dc1-db1", 1, "dc2-db1", "dc2"))


def switched(
    *, number: int = 0, took_s: float = 0.2, epoch: int = 3, plan: Plan = PLAN, resume_s: float = 0.2
) -> Entry:
    """A switch whose steps took equally long but for the order to resume, `number` days after the first."""
    records, at = [], 1_700_000_000.0 + 86_400 * number
    for step in ("preflight", *STEPS, "resume", "verify"):
        ends = at + (resume_s if step == "resume" else took_s)
        records += [Record(Event.INTENT, step, "", epoch, at), Record(Event.DONE, step, "", epoch, ends)]
        at = ends
    return Entry(f"op-{number}", plan, "operator", "test", tuple(records), Outcome.DONE)


@pytest.mark.parametrize(
    "more",
    [
        replace(IDLE, longest_transaction_s=0.9),
        replace(IDLE, wal_bytes_per_s=50e6),
        replace(IDLE, lag_bytes=500_000_000),
        replace(IDLE, round_trip_s=0.1),
    ],
)
def test_the_stall_grows_with_what_is_left_to_do(more) -> None:
    idle, busy = expected(IDLE, REFERENCE), expected(more, REFERENCE)

    assert busy.seconds > idle.seconds
    assert busy.worst_s - idle.worst_s == pytest.approx(busy.seconds - idle.seconds)


def test_a_switch_that_the_runner_ran_tells_how_long_its_steps_took() -> None:
    """So the names of `STEPS` are the procedure's."""
    entry = runner(Rehearsal(), 1).start(Entry("op-1", PLAN, "operator", "test"))

    took = step_times(entry)

    assert took is not None
    assert set(took) == set(STEPS)
    names = [step.name for step in PLAN.steps]
    assert names[names.index("pause") : names.index("resume")] == list(STEPS)


def test_nobody_waits_for_the_order_to_resume_as_each_agent_resumes_its_own_pool() -> None:
    soon, late = (expected(IDLE, Experience.of([switched(resume_s=s)])) for s in (0.1, 3.0))

    assert late == soon
    assert soon.seconds == pytest.approx(len(STEPS) * 0.2 + 2 * IDLE.round_trip_s + RECONNECT_S)


def test_the_estates_own_switches_replace_the_reference() -> None:
    newest = [switched(number=2, took_s=0.3), switched(number=1, took_s=0.9), switched(took_s=0.1)]
    past = Experience.of(newest)

    assert past.usual_s["promote"] == pytest.approx(0.3)
    assert past.worst_s == pytest.approx(len(STEPS) * 0.9)
    stall = expected(IDLE, past)
    assert stall.source.endswith("the last 3, the latest on 2023-11-16")
    assert stall.worst_s > stall.seconds
    assert any("median of 3 here" in phase.basis for phase in stall.phases)


def test_only_the_last_switches_count_and_no_more_is_read() -> None:
    def newest():
        yield from (switched(number=30 - n) for n in range(LAST))
        raise AssertionError("read on")

    assert Experience.of(newest()).label == f"median of {LAST} here"


@pytest.mark.parametrize(
    "useless",
    [
        switched(plan=replace(PLAN, operation=Operation.AUTOMATIC)),
        replace(switched(), records=switched().records[:9]),  # turned back, or under way still
        replace(switched(), records=(*switched().records[:6], *switched(epoch=4).records[6:])),  # a successor
        switched(took_s=-0.1),  # the clock was set back
    ],
)
def test_what_is_no_whole_switch_is_no_experience(useless) -> None:
    assert step_times(useless) is None
    assert Experience.of([useless]) is REFERENCE


def test_a_step_that_was_missed_counts_as_clients_waited_for_it() -> None:
    whole = switched()
    records = tuple(
        replace(record, event=Event.MISSED, at=record.at)
        if (record.step, record.event) == ("release", Event.DONE)
        else record
        for record in whole.records
    )

    assert step_times(replace(whole, records=records)) == step_times(whole)


def test_strict_durability_adds_the_seconds_until_another_site_has_a_copy_and_available_none() -> None:
    lax, strict = (expected(IDLE, REFERENCE, each) for each in (Durability.AVAILABLE, Durability.STRICT))

    added = [phase for phase in strict.phases if phase not in lax.phases]
    assert [phase.name for phase in added] == ["another site has a copy again"]
    assert strict.seconds == pytest.approx(lax.seconds + added[0].seconds)
    assert strict.worst_s == pytest.approx(lax.worst_s + COPY_AGAIN_WORST_S)


def test_a_plan_says_where_its_stall_comes_from() -> None:
    own, reference = (expected(IDLE, past) for past in (Experience.of([switched()]), REFERENCE))

    assert "own switches: the last 1" in replace(PLAN, stall=own).describe()
    assert "measured in the lab, under load" in replace(PLAN, stall=reference).describe()
    assert "live: 0 bytes and two round trips of 4.0 ms" in replace(PLAN, stall=own).describe()


def test_the_journal_keeps_the_stall_and_reads_that_of_the_release_before() -> None:
    stall = expected(IDLE, REFERENCE)
    raw = entry_to_json(Entry("op-1", replace(PLAN, stall=stall), "operator", "test"))

    assert entry_from_json(json.loads(json.dumps(raw))).plan.stall == stall
    old = {key: value for key, value in raw["plan"].items() if not key.startswith("stall_")}
    read = entry_from_json({**raw, "plan": old}).plan.stall
    assert read is not None
    assert read.phases == stall.phases
