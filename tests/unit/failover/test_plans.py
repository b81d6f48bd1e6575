"""Plans are computed before anything happens: the stall, the loss, and what the table may ask for."""

import pytest

from failover.exposure import NONE, Budget, Exposure, refusal
from failover.plan import Operation, Plan, Step
from failover.procedures import failover, maintenance, switchover
from failover.stall import REFERENCE, LiveFigures, expected
from failover.transitions import TABLE, Reaction
from failover.verbs import ALWAYS, Verb

IDLE = LiveFigures(0.0, 0.0, 0, 0.004)


def test_every_verb_of_an_acting_row_can_be_planned_or_is_the_write_gate() -> None:
    asked = {verb for row in TABLE if row.reaction is Reaction.ACT for verb in row.verbs}

    assert asked <= {*failover.STEPS, Verb.CLOSE_WRITES}


def test_a_plan_shows_the_stall_it_expects() -> None:
    stall = expected(IDLE, REFERENCE)
    plan = switchover.plan(switchover.Switch("op-1", "a", 1, "b", "dc2"), stall, ("lag is high",))

    assert (
        f"expected stall of writes: {stall.seconds:.2f} s, at worst {stall.worst_s:.2f} s" in plan.describe()
    )
    assert REFERENCE.source in plan.describe()
    assert "! lag is high" in plan.describe()


@pytest.mark.parametrize(
    ("exposure", "accepted_by", "refused"),
    [
        (NONE, None, False),
        (Exposure(1, 0.5, "x"), None, True),
        (Exposure(None, None, "nobody can be asked"), None, True),
        (Exposure(None, None, "nobody can be asked"), "an operator", False),
        (Exposure(9, 0.1, "x"), "an operator", False),
    ],
)
def test_a_loss_over_the_budget_or_unknown_is_refused_unless_accepted(exposure, accepted_by, refused) -> None:
    text = refusal(exposure, Budget(), accepted_by)

    assert (text is not None) == refused


def test_a_loss_within_the_budget_is_not_refused() -> None:
    assert refusal(Exposure(3, 1.0, "x"), Budget(records=3, seconds=1.0), None) is None


def test_plans_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="primary already"):
        switchover.plan(switchover.Switch("op-1", "a", 1, "a", "dc1"))
    with pytest.raises(ValueError, match="switch over first"):
        maintenance.start(("a", "b"), "b")
    with pytest.raises(ValueError, match="repeat"):
        Plan(Operation.FAILBACK, "twice", (Step("one", "", ALWAYS), Step("one", "", ALWAYS)))
