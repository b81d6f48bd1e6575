"""No order of events within the bounds makes two writers or loses an acknowledged write; broken rules do."""

import dataclasses

import pytest

from failover.conditions import Condition
from failover.proof.explore import explore
from failover.proof.orchestrated import Rules
from failover.transitions import TABLE, Reaction, Row
from failover.verbs import Verb

pytestmark = pytest.mark.safety


def with_row(condition: Condition, *verbs: Verb) -> tuple[Row, ...]:
    return tuple(
        dataclasses.replace(row, reaction=Reaction.ACT, verbs=verbs) if row.condition is condition else row
        for row in TABLE
    )


@pytest.mark.parametrize("fences", [False, True], ids=["fencing none", "fencing power"])
def test_the_table_keeps_one_writer_and_every_acknowledged_write(fences: bool) -> None:
    result = explore(Rules(fences=fences), writes=1, faults=1)

    assert result.violation is None
    assert result.states > 1000


def test_a_table_that_switches_by_force_over_a_cut_link_is_caught() -> None:
    table = with_row(Condition.LINK_CUT, Verb.FORCE_FAILOVER)

    result = explore(Rules(table=table), writes=1, faults=2)

    assert result.violation is not None
    assert any("force-failover" in step for step in result.trace)


def test_a_table_that_switches_by_force_when_nobody_can_be_sure_is_caught() -> None:
    table = with_row(Condition.NO_PRIMARY, Verb.FORCE_FAILOVER)

    assert explore(Rules(table=table), writes=1, faults=2).violation is not None


def test_promotion_of_just_anybody_is_caught() -> None:
    result = explore(Rules(only_sync_members=False), writes=1, faults=2)

    assert "is not on the primary" in (result.violation or "")


def test_patronis_known_hole_is_a_hole() -> None:
    """Decision 0401 names it. If this fails, Patroni's part of the model was mended: close it there."""
    result = explore(Rules(recreates_key=True), writes=1, faults=1)

    assert "host 0 re-creates the key" in result.trace


def test_bounds_that_are_too_wide_prove_nothing_and_say_so() -> None:
    with pytest.raises(OverflowError, match="100 states"):
        explore(Rules(), writes=1, faults=1, limit=100)
