"""The primary is moved on purpose, and its PostgreSQL killed; under the small load, for the sake of time."""

import pytest

# Issue 2's limit for the stall of a planned switch.
STALL_MAX_S = 5


def assert_nothing_lost(done):
    assert done.verdict["reasons"] == []
    assert done.status == 0
    rpo = done.verdict["rpo"]
    assert rpo["acknowledged"] > 0
    assert rpo["lost"] == rpo["duplicated"] == rpo["phantom"] == 0
    assert done.verdict["writers_max"] == 1


@pytest.mark.drill
def test_a_planned_switch_stalls_writes_only_shortly(drilled):
    done = drilled("switchover", "smoke")
    assert_nothing_lost(done)
    assert done.verdict["write_stall_max_s"] < STALL_MAX_S


@pytest.mark.drill
def test_a_killed_postmaster_is_replaced(drilled):
    assert_nothing_lost(drilled("primary-process-crash", "smoke"))
