"""Findings on copies and holds: who has every acknowledged write or key, and what was left paused."""

from __future__ import annotations

from collections.abc import Iterator

from failover.conditions import Condition, Finding
from failover.panel import Panel
from failover.views import ClusterRecord


def find(panel: Panel) -> Iterator[Finding]:
    cluster = panel.picture.cluster
    if cluster is None:
        return
    yield from _paused(panel, cluster)
    yield from _synchronous(panel, cluster)
    yield from _standbys(panel, cluster)
    yield from _trees(panel)
    if panel.picture.recent_failovers >= panel.thresholds.flapping_failovers:
        count = panel.picture.recent_failovers
        yield Finding(Condition.FLAPPING, "cluster", (f"{count} automatic failovers within the window",))


def _paused(panel: Panel, cluster: ClusterRecord) -> Iterator[Finding]:
    if cluster.paused and panel.picture.operation is None:
        yield Finding(
            Condition.PATRONI_PAUSED, "cluster", ("Patroni is in maintenance mode: it will not fail over",)
        )
    for view in panel.fresh:
        pool = view.pool
        if pool and pool.paused and (pool.operation is None or pool.operation != panel.picture.operation):
            evidence = (
                f"paused for {pool.held_ms / 1000:.1f} s, ordered by {pool.operation or 'nobody known'}",
            )
            yield Finding(Condition.POOL_PAUSED, view.observer, evidence)


def _trees(panel: Panel) -> Iterator[Finding]:
    for host, count in sorted(panel.picture.tree_mismatches.items()):
        evidence = f"{host}: {count} digest mismatches since its ZooKeeper server began"
        yield Finding(Condition.ZOOKEEPER_DIVERGED, host, (evidence,))


def _synchronous(panel: Panel, cluster: ClusterRecord) -> Iterator[Finding]:
    """Concerns the holder of the key only: without one nobody acknowledges anything."""
    if cluster.leader is None:
        return
    members = sorted(cluster.sync.members)
    home = panel.site_of.get(cluster.leader.name)
    named = ", ".join(members) or "nobody"
    if not any(panel.site_of.get(member) != home for member in members):
        yield Finding(
            Condition.CROSS_SITE_DURABILITY_LOST,
            cluster.leader.name,
            (f"synchronous: {named}; what commits has no copy outside {home}",),
        )
    if len(members) < panel.thresholds.sync_wanted:
        wanted = panel.thresholds.sync_wanted
        yield Finding(
            Condition.SYNC_DEGRADED, cluster.leader.name, (f"synchronous: {named}; {wanted} are wanted",)
        )


def _standbys(panel: Panel, cluster: ClusterRecord) -> Iterator[Finding]:
    leader = panel.picture.leader
    current = panel.report(leader) if leader else None
    for node in panel.picture.layout.databases:
        if node.name == leader or panel.maintained(node.name):
            continue
        report = panel.report(node.name)
        if report is None or not report.running or node.name not in cluster.members:
            state = report.state if report else "no answer"
            yield Finding(Condition.STANDBY_MISSING, node.name, (f"{node.name}: {state}",))
        elif (found := panel.picture.stranded.get(node.name)) and found.primary == leader:
            yield Finding(Condition.STANDBY_STRANDED, node.name, (f"{node.name} {found.says()}",))
        elif not report.streaming and current and (report.timeline or 0) != (current.timeline or 0):
            text = f"{node.name} is on timeline {report.timeline}, {leader} on {current.timeline}"
            yield Finding(Condition.STANDBY_DIVERGED, node.name, (text, "it does not stream"))
        elif not report.streaming and not report.primary and current:
            yield Finding(Condition.STANDBY_MISSING, node.name, (f"{node.name} runs and does not stream",))
