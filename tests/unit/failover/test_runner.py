"""How the runner reaches what a step is for, on an estate in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from failover.actuators.ports import EffectUnknownError, Observation
from failover.journal import Entry, Event
from failover.plan import Operation, Plan, Step, plan_from_json, plan_to_json
from failover.procedures import switchover
from failover.proof.hands import actuators
from failover.proof.rehearsal import Office, Rehearsal, Sensors
from failover.runner import Runner
from failover.verbs import Check, Expectation, Instruction, Verb

HOST = "dc1-db1"


class Switch:
    """A power switch that answers from the third time on."""

    def __init__(self, estate: Rehearsal) -> None:
        self.estate, self.asked_at = estate, list[float]()

    def confirm(self, host: str) -> str:
        self.asked_at.append(self.estate.now)
        if len(self.asked_at) < 3:
            raise EffectUnknownError("the power switch does not answer")
        self.estate.fenced.add(host)
        return "off"


def confirming(again_s: float) -> Plan:
    step = Step(
        "confirm-fence",
        "make sure that it is off",
        Expectation.of(Check.FENCED, host=HOST),
        do=Instruction.of(Verb.CONFIRM_FENCE, host=HOST),
        timeout_s=15.0,
        optional=True,
        unconditional=True,
        again_s=again_s,
    )
    return Plan(Operation.AUTOMATIC, "fence", (step,))


def run(plan: Plan) -> tuple[Entry, Switch]:
    estate = Rehearsal()
    switch, office = Switch(estate), Office(estate, 1)
    hands = replace(actuators(estate), fencing=switch)
    clock = estate.clock()
    runner = Runner(
        store=office, actuators=hands, sensors=Sensors(estate), guard=office, clock=clock, poll_s=0.25
    )
    return runner.start(Entry(id="1", plan=plan, ordered_by="x", reason="")), switch


def test_what_failed_once_is_asked_for_again_until_it_holds() -> None:
    entry, switch = run(confirming(again_s=3.0))

    assert Event.DONE in entry.events("confirm-fence")
    assert switch.asked_at == pytest.approx([0.0, 3.0, 6.0], abs=0.5)


def test_a_step_that_does_not_say_so_is_asked_for_once() -> None:
    entry, switch = run(confirming(again_s=0.0))

    assert Event.MISSED in entry.events("confirm-fence")
    assert len(switch.asked_at) == 1


def test_the_interval_is_kept_in_the_journal_and_an_older_plan_has_none() -> None:
    plan = confirming(again_s=3.0)
    kept = json.loads(json.dumps(plan_to_json(plan)))
    assert plan_from_json(kept) == plan
    del kept["steps"][0]["again_s"], kept["steps"][0]["follows_at_once"]
    assert plan_from_json(kept).steps[0].again_s == 0.0
    assert not plan_from_json(kept).steps[0].follows_at_once


SWITCH = switchover.plan(
    switchover.Switch("op-1", leader=HOST, session=1, candidate="dc2-db1", candidate_site="dc2")
)


class Looks(Sensors):
    """Tells which checks were looked at, and when the journal was written."""

    def __init__(self, estate: Rehearsal, seen: list[str]) -> None:
        super().__init__(estate)
        self.seen = seen

    def observe(self, expectation: Expectation) -> Observation:
        self.seen.append(str(expectation.check))
        return super().observe(expectation)


class Written(Office):
    """Tells what each write of the journal added."""

    def __init__(self, estate: Rehearsal, seen: list[str]) -> None:
        super().__init__(estate, 1)
        self.seen = seen

    def save(self, entry: Entry) -> None:
        self.seen.append(" ".join(f"{record.step}:{record.event}" for record in entry.records[-3:]))
        super().save(entry)


def test_what_follows_at_once_is_meant_with_the_step_before_and_not_looked_at_first() -> None:
    """Clients wait between the end of the pause and the order to stop: neither a write nor a look there."""
    estate, seen = Rehearsal(), list[str]()
    hands = actuators(estate)
    hand_over = hands.leader_key.hand_over

    def ordered(*, leader: str, candidate: str) -> str:
        seen.append("ordered")
        return hand_over(leader=leader, candidate=candidate)

    hands.leader_key.hand_over = ordered  # type: ignore[method-assign]
    office = Written(estate, seen)
    runner = Runner(
        store=office, actuators=hands, sensors=Looks(estate, seen), guard=office, clock=estate.clock()
    )

    runner.start(Entry(id="op-1", plan=SWITCH, ordered_by="x", reason=""))

    at = seen.index("ordered")
    assert seen[at - 3 : at] == [
        "announce:done pause:intent stop:intent",
        *(["pools-paused"] * 2),
    ]


def test_a_step_without_return_must_not_be_meant_early() -> None:
    step = replace(SWITCH.step("release"), follows_at_once=True)
    with pytest.raises(ValueError, match="release has no way back"):
        Plan(Operation.SWITCHOVER, "switch", (SWITCH.step("stop"), step))
