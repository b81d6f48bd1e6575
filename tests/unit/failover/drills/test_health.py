"""What counts as a whole cluster, and each way of not being one."""

from dataclasses import replace

import pytest

from failover.drills.health import problems
from failover.drills.model import ClusterStatus, Member, MemberRole, ReplicationMode

LEADER = Member("dc1-db1", MemberRole.LEADER, "running", 3, 0, synchronous=False)
NEAR = Member("dc1-db2", MemberRole.REPLICA, "streaming", 3, 0, synchronous=True)
FAR = Member("dc2-db1", MemberRole.REPLICA, "streaming", 3, 0, synchronous=True)
SPARE = Member("dc2-db2", MemberRole.REPLICA, "streaming", 3, 0, synchronous=False)
WHOLE = ClusterStatus((LEADER, NEAR, FAR, SPARE), ReplicationMode.SYNCHRONOUS)


@pytest.fixture
def found(estate):
    def ask(status, mode=ReplicationMode.SYNCHRONOUS):
        return problems(status, estate, synchronous_nodes=2, mode=mode)

    return ask


def test_a_whole_cluster_has_no_problems(found):
    assert found(WHOLE) == ()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ((NEAR, FAR, SPARE), "no running leader"),
        ((replace(LEADER, state="stopped"), NEAR, FAR, SPARE), "no running leader"),
        ((LEADER, NEAR, FAR), "dc2-db2 is no member"),
        ((LEADER, NEAR, FAR, replace(SPARE, state="running")), "dc2-db2 is replica running, not streaming"),
        ((LEADER, NEAR, FAR, replace(SPARE, timeline=2)), "dc2-db2 is on timeline 2, the leader on 3"),
        ((LEADER, replace(NEAR, synchronous=False), FAR, SPARE), "1 of 2 synchronous standbys"),
        (
            (LEADER, NEAR, replace(FAR, synchronous=False), SPARE),
            "no synchronous standby at the other site",
        ),
    ],
)
def test_each_way_of_not_being_whole_is_said(found, members, said):
    assert said in "; ".join(found(replace(WHOLE, members=members)))


def test_maintenance_mode_and_the_wrong_mode_are_said(found):
    assert "Patroni is paused" in found(replace(WHOLE, paused=True))
    asynchronous = replace(WHOLE, mode=ReplicationMode.ASYNCHRONOUS)
    assert any("not synchronous" in text for text in found(asynchronous))
    assert found(asynchronous, ReplicationMode.ASYNCHRONOUS) == ()
