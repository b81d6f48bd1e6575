"""How the runner reaches what a step is for, on an estate in memory."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from failover.actuators.ports import EffectUnknownError
from failover.journal import Entry, Event
from failover.plan import Operation, Plan, Step, plan_from_json, plan_to_json
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
    del kept["steps"][0]["again_s"]
    assert plan_from_json(kept).steps[0].again_s == 0.0
