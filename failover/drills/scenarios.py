"""The drills, as data: what is broken, what must come back, and within which budget.

A new drill is a new row here; the runner knows none of them by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from failover.drills.model import ReplicationMode
from failover.drills.steps import (
    CutLink,
    KillPostgres,
    PowerCut,
    Role,
    SetReplication,
    Step,
    Switchover,
)


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
    restore_deadline_s: float = 60


@dataclass(frozen=True, slots=True)
class Scenario:
    """One drill.

    `conditions` hold from before the load until healing; `prelude` is done under load `exposure_s`
    before the fault. `new_primary` says whether another node must have taken over. `must_fail` marks a
    drill that proves the checker: its verdict has to be a failure.
    """

    name: str
    title: str
    story: str
    fault: Step
    budget: Budget
    new_primary: bool
    conditions: tuple[Step, ...] = ()
    prelude: tuple[Step, ...] = ()
    heal_under_load: bool = False
    must_fail: bool = False
    replication: ReplicationMode = ReplicationMode.SYNCHRONOUS
    timing: Timing = field(default_factory=Timing)


# Issue 2's limit for a failover by the leader key's lease, and for the stall of a planned switch.
FAILOVER_BUDGET = Budget(rto_s=30)
SWITCHOVER_BUDGET = Budget(rto_s=30, write_stall_max_s=5)

_ALL = (
    Scenario(
        name="site-loss",
        title="The primary's site loses power",
        story="Every host of the site that holds the primary is cut off its power at once.",
        fault=PowerCut(Role.PRIMARY_SITE),
        budget=FAILOVER_BUDGET,
        new_primary=True,
    ),
    Scenario(
        name="primary-host-loss",
        title="The primary's host loses power",
        story="The database host that is the primary is cut off its power; its site stays.",
        fault=PowerCut(Role.PRIMARY_HOST),
        budget=FAILOVER_BUDGET,
        new_primary=True,
    ),
    Scenario(
        name="primary-process-crash",
        title="The primary's PostgreSQL is killed",
        story="All processes of PostgreSQL on the primary get SIGKILL; host and Patroni live on.",
        fault=KillPostgres(Role.PRIMARY_HOST),
        budget=FAILOVER_BUDGET,
        new_primary=False,
    ),
    Scenario(
        name="app-host-loss",
        title="The host that holds the entry loses power",
        story="The application host with the virtual address of the primary's site is cut off its power.",
        fault=PowerCut(Role.ENTRY_HOST),
        budget=FAILOVER_BUDGET,
        new_primary=False,
    ),
    Scenario(
        name="switchover",
        title="Planned switch to the other site",
        story="The primary is moved to the other site under load, as for maintenance.",
        fault=Switchover(),
        budget=SWITCHOVER_BUDGET,
        new_primary=True,
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
        new_primary=True,
        conditions=(SetReplication(ReplicationMode.ASYNCHRONOUS),),
        prelude=(CutLink(Role.PRIMARY_SITE, Role.OTHER_SITE),),
        must_fail=True,
        replication=ReplicationMode.ASYNCHRONOUS,
    ),
)

SCENARIOS = {scenario.name: scenario for scenario in _ALL}
