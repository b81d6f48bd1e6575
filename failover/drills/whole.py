"""Waiting until the estate is whole: before a drill, after it, and once the primary is back in its site."""

from __future__ import annotations

from failover.drills import health
from failover.drills.model import ClusterStatus, ReplicationMode
from failover.drills.order import Order
from failover.drills.ports import Ports
from failover.drills.waiting import Say, wait_until


def wait_whole(
    order: Order, ports: Ports, say: Say, *, deadline_s: float, what: str, site: str | None = None
) -> None:
    """Return when nothing is wrong and, where a site is named, it has the primary; raise `Overdue` else."""

    def missing() -> tuple[str, ...]:
        status = ports.cluster.status()
        wrong = health.problems(
            status,
            order.estate,
            synchronous_nodes=order.synchronous_nodes,
            mode=ReplicationMode.SYNCHRONOUS,
        )
        others = (*ports.cluster.problems(), *ports.orchestrator.missing())
        return (*wrong, *_wrong_site(order, status, site), *others)

    wait_until(missing, deadline_s, what, clock=ports.clock, say=say)


def return_primary(order: Order, ports: Ports, say: Say, *, site: str, deadline_s: float) -> None:
    """Move the primary to its site where it is elsewhere; raise `Overdue` when it does not get there.

    An estate that has just been whole may refuse once more; that is asked again, and is no finding.
    """
    moved = False

    def missing() -> tuple[str, ...]:
        nonlocal moved
        leader = ports.cluster.status().leader
        if leader is None:
            return ("there is no primary",)
        if order.estate.host(leader.name).site != site:
            say(f"moving the primary back to {site}")
            moved = True
            ports.cluster.switchover(site)
        return ()

    wait_until(missing, deadline_s, f"the primary's return to {site}", clock=ports.clock, say=say)
    if moved:
        wait_whole(order, ports, say, deadline_s=deadline_s, what=f"a whole estate led by {site}", site=site)


def _wrong_site(order: Order, status: ClusterStatus, site: str | None) -> tuple[str, ...]:
    if site is None or status.leader is None or order.estate.host(status.leader.name).site == site:
        return ()
    return (f"the primary is {status.leader.name}",)
