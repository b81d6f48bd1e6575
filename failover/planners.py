"""From an operator's request and what the agents see now to a plan, or a refusal. Pure.

The same functions serve the elected agent and `twinsite plan`, which only prints what they make.
"""

from __future__ import annotations

from collections.abc import Mapping

from failover.desk import OrderRefusedError, Planner
from failover.panel import Panel, Picture
from failover.plan import Operation, Plan
from failover.procedures import switchover
from failover.requests import Request


def plan_switchover(picture: Picture, request: Request) -> Plan:
    """Arguments: `site` or `host`, one of the two.

    Raises:
        OrderRefusedError: no primary, no such site or host, or nobody there may be promoted.
    """
    panel, cluster = Panel(picture), picture.cluster
    if cluster is None or cluster.leader is None:
        raise OrderRefusedError("nobody holds the leader key: there is no primary to hand over")
    candidate = _candidate(panel, cluster.leader.name, request.text("site"), request.text("host"))
    return switchover.plan(
        switchover.Switch(
            id=request.id,
            leader=cluster.leader.name,
            session=cluster.leader.session,
            candidate=candidate,
            candidate_site=panel.site_of[candidate],
            sync_version=cluster.sync.version,
        )
    )


def _candidate(panel: Panel, leader: str, site: str | None, host: str | None) -> str:
    """The host that is named, or the synchronous one of the site that received most."""
    names = [node.name for node in panel.picture.layout.databases if node.name == host or node.site == site]
    if not names:
        raise OrderRefusedError(f"{host or site} is no database host or site with one")
    if leader in names:
        raise OrderRefusedError(f"the primary is {leader} already; nothing to do")
    cluster = panel.picture.cluster
    synchronous = sorted(cluster.sync.members) if cluster else []
    fit = [name for name in names if name in synchronous]
    if not fit:
        raise OrderRefusedError(
            f"no host of {host or site} is synchronous, and only such may be promoted"
            f" (now: {', '.join(synchronous) or 'nobody'})"
        )
    return max(fit, key=lambda name: (_received(panel, name), name))


def _received(panel: Panel, host: str) -> int:
    report = panel.report(host)
    return report.lsn or 0 if report else 0


PLANNERS: Mapping[Operation, Planner] = {Operation.SWITCHOVER: plan_switchover}
