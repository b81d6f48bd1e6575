"""From an operator's request and what the agents see now to a plan, or a refusal.

The same functions serve the elected agent and `twinsite plan`, which only prints what they make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from failover.desk import OrderRefusedError, Planner
from failover.inspection import Inspection, Inspector
from failover.journal import Entry
from failover.panel import Panel, Picture
from failover.plan import Operation, Plan
from failover.preflight import Ends, figures
from failover.procedures import switchover
from failover.requests import Request
from failover.stall import Experience, expected
from failover.transitions import Durability


def planners(
    inspector: Inspector,
    newest: Callable[[], Iterable[Entry]],
    durability: Durability = Durability.AVAILABLE,
) -> Mapping[Operation, Planner]:
    """For each operation that agents carry out, what makes its plan. `newest`: the journal, newest first."""

    def plan_switchover(picture: Picture, request: Request) -> Plan:
        switch = choose_switch(picture, request)
        found = inspector.inspect((switch.leader, switch.candidate))
        return plan_of(switch, found, Experience.of(newest()), durability)

    return {Operation.SWITCHOVER: plan_switchover}


def plan_of(
    switch: switchover.Switch,
    found: Inspection,
    past: Experience,
    durability: Durability = Durability.AVAILABLE,
) -> Plan:
    """The plan, with the stall that the figures found and the switches before let expect."""
    read = figures(Ends(switch.leader, switch.candidate), found)
    return switchover.plan(switch, stall=expected(read, past, durability) if read else None)


def choose_switch(picture: Picture, request: Request) -> switchover.Switch:
    """Who hands over to whom. Arguments of the request: `site` or `host`, one of the two.

    Raises:
        OrderRefusedError: no primary, no such site or host, or nobody there may be promoted.
    """
    panel, cluster = Panel(picture), picture.cluster
    if cluster is None or cluster.leader is None:
        raise OrderRefusedError("nobody holds the leader key: there is no primary to hand over")
    candidate = _candidate(panel, cluster.leader.name, request.text("site"), request.text("host"))
    return switchover.Switch(
        id=request.id,
        leader=cluster.leader.name,
        session=cluster.leader.session,
        candidate=candidate,
        candidate_site=panel.site_of[candidate],
        widen_from=None if candidate in cluster.sync.members else cluster.sync_wanted,
    )


def _candidate(panel: Panel, leader: str, site: str | None, host: str | None) -> str:
    """The host that is named, or the one of the site that is synchronous if any is, and received most."""
    names = [node.name for node in panel.picture.layout.databases if node.name == host or node.site == site]
    if not names:
        raise OrderRefusedError(f"{host or site} is no database host or site with one")
    if leader in names:
        raise OrderRefusedError(f"the primary is {leader} already; nothing to do")
    fit = [name for name in names if not panel.maintained(name) and _streams(panel, name)]
    if not fit:
        raise OrderRefusedError(f"{', '.join(names)}: none streams from the primary and may take its place")
    cluster = panel.picture.cluster
    synchronous = cluster.sync.members if cluster else frozenset[str]()
    return max(fit, key=lambda name: (name in synchronous, _received(panel, name), name))


def _streams(panel: Panel, host: str) -> bool:
    report = panel.report(host)
    return report is not None and report.running and report.streaming


def _received(panel: Panel, host: str) -> int:
    report = panel.report(host)
    return report.lsn or 0 if report else 0
