"""The drills, as data: what is broken, what must come back, and within which budget.

A new drill is a new row here; the runner knows none of them by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from failover.drills.model import Direction, ReplicationMode
from failover.drills.steps import (
    AGENT_UNIT,
    CutLink,
    Freeze,
    Isolate,
    KillPostgres,
    KillUnit,
    LoseQuorum,
    PowerCut,
    RecoverQuorum,
    Role,
    SetReplication,
    Step,
    Switchover,
)


class Leadership(StrEnum):
    """What the fault has to do to the primary."""

    MOVES = "moves"  # another node must take over
    STAYS = "stays"  # no other node may
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the verdict allows. Seconds; None sets no limit."""

    rto_s: float
    write_stall_max_s: float | None = None
    failed_max: int | None = None
    gave_up_max: int = 0
    refused_max: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long each part of a drill lasts, or may last, in seconds.

    `settle_s` is how long writes must flow again without a pause before the drill believes in it.
    """

    warm_up_s: float = 10
    baseline_s: float = 15
    exposure_s: float = 4
    settle_s: float = 3
    after_s: float = 15
    healthy_deadline_s: float = 120
    recovery_deadline_s: float = 120
    parity_deadline_s: float = 300
    restore_deadline_s: float = 120


@dataclass(frozen=True, slots=True)
class Scenario:
    """One drill.

    `acting` is the budget while the orchestrator acts; None: the same as with Patroni alone. `aim` is what it
    is measured by then. A missed aim is told and fails no drill: whole seconds say whether it acted, tenths
    depend on the machine.
    `conditions` hold from before the load until healing; `prelude` is done under load `exposure_s`
    before the fault, `remedy`, what an operator does about it, as long after it. With `heal_under_load` the
    load goes on while everything returns. `must_fail` marks a drill that proves the checker: its verdict
    has to be a failure.
    """

    name: str
    title: str
    story: str
    fault: Step
    budget: Budget
    leadership: Leadership
    acting: Budget | None = None
    aim: Budget | None = None
    conditions: tuple[Step, ...] = ()
    prelude: tuple[Step, ...] = ()
    remedy: tuple[Step, ...] = ()
    heal_under_load: bool = False
    must_fail: bool = False
    timing: Timing = field(default_factory=Timing)


# Issue 2's limit for a failover by the leader key's lease, and for the stall of a planned switch.
FAILOVER_BUDGET = Budget(rto_s=30)
# A severe disaster: service back in under an hour (H3); by far, so that a person has the rest of it. Users
# give up after their patience meanwhile.
QUORUM_BUDGET = Budget(rto_s=300, gave_up_max=100_000)
# While the orchestrator acts: far below the lease, or it did not; and issue 3's worst cases.
ACTING_BUDGET = Budget(rto_s=10)
ACTING_AIM = Budget(rto_s=4)
CRASH_AIM = Budget(rto_s=3)
SWITCHOVER_BUDGET = Budget(rto_s=30, write_stall_max_s=5)
# With the orchestrator clients wait and none of their requests fails.
ORCHESTRATED_SWITCHOVER_AIM = Budget(rto_s=30, write_stall_max_s=1, failed_max=0)


def _link_cut(name: str, direction: Direction, words: str) -> Scenario:
    return Scenario(
        name=name,
        title=f"The link between the data sites {words}",
        story="Both data sites still reach the witness and the clients. The primary has to stay where it is.",
        fault=CutLink(Role.PRIMARY_SITE, Role.OTHER_SITE, direction),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.STAYS,
        heal_under_load=True,
    )


_ALL = (
    Scenario(
        name="site-loss",
        title="The primary's site loses power",
        story="Every host of the site that holds the primary is cut off its power at once.",
        fault=PowerCut(Role.PRIMARY_SITE),
        budget=FAILOVER_BUDGET,
        acting=ACTING_BUDGET,
        aim=ACTING_AIM,
        leadership=Leadership.MOVES,
    ),
    Scenario(
        name="primary-host-loss",
        title="The primary's host loses power",
        story="The database host that is the primary is cut off its power; its site stays.",
        fault=PowerCut(Role.PRIMARY_HOST),
        budget=FAILOVER_BUDGET,
        acting=ACTING_BUDGET,
        aim=ACTING_AIM,
        leadership=Leadership.MOVES,
    ),
    Scenario(
        name="primary-process-crash",
        title="The primary's PostgreSQL is killed",
        story=(
            "The postmaster, PostgreSQL's oldest process on the primary, gets SIGKILL; the other processes "
            "end once they notice. Host and Patroni live on."
        ),
        fault=KillPostgres(Role.PRIMARY_HOST),
        budget=FAILOVER_BUDGET,
        acting=ACTING_BUDGET,
        aim=CRASH_AIM,
        leadership=Leadership.EITHER,
    ),
    Scenario(
        name="standby-host-loss",
        title="The synchronous standby at the other site loses power",
        story=(
            "The host at the other site that each commit waits for is cut off its power. Commits wait until "
            "Patroni has another there; the primary has to stay."
        ),
        fault=PowerCut(Role.REMOTE_COPY),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.STAYS,
    ),
    Scenario(
        name="app-host-loss",
        title="The host that holds the entry loses power",
        story="The application host with the virtual address of the primary's site is cut off its power.",
        fault=PowerCut(Role.ENTRY_HOST),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.EITHER,
    ),
    Scenario(
        name="switchover",
        title="Planned switch to the other site",
        story="The primary is moved to the other site under load, as for maintenance.",
        fault=Switchover(),
        budget=SWITCHOVER_BUDGET,
        aim=ORCHESTRATED_SWITCHOVER_AIM,
        leadership=Leadership.MOVES,
    ),
    Scenario(
        name="site-loss-async",
        title="Site loss with asynchronous replication and the link cut first",
        story=(
            "Replication is made asynchronous and the link between the data sites cut, so that writes are "
            "acknowledged at one site only; then that site loses power. The verdict must report them lost."
        ),
        fault=PowerCut(Role.PRIMARY_SITE),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.MOVES,
        conditions=(SetReplication(ReplicationMode.ASYNCHRONOUS),),
        prelude=(CutLink(Role.PRIMARY_SITE, Role.OTHER_SITE),),
        must_fail=True,
    ),
    Scenario(
        name="site-isolated",
        title="The primary's site is cut off",
        story="All links of the site that holds the primary fall silent; its hosts live on and know nothing.",
        fault=Isolate(Role.PRIMARY_SITE),
        budget=FAILOVER_BUDGET,
        acting=ACTING_BUDGET,
        aim=ACTING_AIM,
        leadership=Leadership.MOVES,
        heal_under_load=True,
    ),
    Scenario(
        name="primary-frozen",
        title="The primary's host freezes, and thaws under load",
        story="The primary's host stands still as a paused machine does, is replaced, and wakes up again.",
        fault=Freeze(Role.PRIMARY_HOST),
        budget=FAILOVER_BUDGET,
        acting=ACTING_BUDGET,
        aim=ACTING_AIM,
        leadership=Leadership.MOVES,
        heal_under_load=True,
    ),
    _link_cut("link-cut", Direction.BOTH, "falls silent both ways"),
    _link_cut("link-cut-outbound", Direction.OUTBOUND, "carries nothing away from the primary's site"),
    _link_cut("link-cut-inbound", Direction.INBOUND, "carries nothing to the primary's site"),
    Scenario(
        name="witness-loss",
        title="The witness loses power",
        story="The third site, which only votes, is cut off its power.",
        fault=PowerCut(Role.WITNESS_SITE),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.STAYS,
    ),
    Scenario(
        name="zookeeper-leader-loss",
        title="The host of the ZooKeeper leader loses power",
        story="The host that leads the ZooKeeper ensemble is cut off its power; the others elect another.",
        fault=PowerCut(Role.ZOOKEEPER_LEADER),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.STAYS,
    ),
    Scenario(
        name="quorum-loss",
        title="The primary's site and the witness lose power together",
        story=(
            "Two of five ZooKeeper servers are left: reads go on, writes stop. An operator gives the "
            "survivors a majority of their own (twinsite recover-quorum); the lost ones return later."
        ),
        fault=LoseQuorum(),
        budget=QUORUM_BUDGET,
        leadership=Leadership.MOVES,
        remedy=(RecoverQuorum(),),
        timing=Timing(recovery_deadline_s=300),
    ),
    Scenario(
        name="orchestrator-loss",
        title="The orchestrator's agent in office is killed",
        story="Every process of the agent that decides gets SIGKILL; another takes office.",
        fault=KillUnit(Role.ORCHESTRATOR, AGENT_UNIT),
        budget=FAILOVER_BUDGET,
        leadership=Leadership.STAYS,
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
