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


def _wrong_site(order: Order, status: ClusterStatus, site: str | None) -> tuple[str, ...]:
    if site is None or status.leader is None or order.estate.host(status.leader.name).site == site:
        return ()
    return (f"the primary is {status.leader.name}",)
