"""What the agents see, which rule holds, what it would do and why it does not, in words. Pure."""

from __future__ import annotations

from collections import defaultdict

from failover.decide import Decision
from failover.panel import Panel, Picture, say


def explain(picture: Picture, decision: Decision) -> str:
    """The whole story on one screen."""
    panel = Panel(picture)
    return "\n".join(
        (
            *_agents(panel),
            *_hosts(panel),
            *_record(panel),
            "rules that hold, gravest first:",
            *_rules(decision),
        )
    )


def _agents(panel: Panel) -> list[str]:
    fresh = {view.observer for view in panel.fresh}
    stale = [s.view.observer for s in panel.picture.sightings if s.view.observer not in fresh]
    lines = [f"agents that count: {', '.join(sorted(fresh)) or 'none'}"]
    return [*lines, f"stale, not counted: {', '.join(sorted(stale))}"] if stale else lines


def _hosts(panel: Panel) -> list[str]:
    """Observers that see the same share a line."""
    lines = []
    for node in panel.picture.layout.databases:
        alike: dict[str, list[str]] = defaultdict(list)
        for observer, view in panel.signals(node.name):
            report = view.report if view.rest.answers else None
            role = f", {'primary' if report.primary else 'standby'} {report.state}" if report else ""
            alike[f"REST {say(view.rest)}, PostgreSQL {say(view.postgres)}{role}"].append(observer)
        lines += [f"{node.name}: {seen} ({', '.join(who)})" for seen, who in _grouped(alike)]
    return lines


def _grouped(alike: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Healthy signals differ in their streaks only; those are not worth a line each."""
    merged: dict[str, list[str]] = defaultdict(list)
    for seen, who in alike.items():
        merged[_without_streaks(seen)] += who
    return sorted(merged.items())


def _without_streaks(seen: str) -> str:
    parts = []
    for part in seen.split(", "):
        head, _, _ = part.partition(" times in a row")
        parts.append(
            head.rpartition(" ")[0] if head.endswith(tuple("0123456789")) and "answers" in head else part
        )
    return ", ".join(parts)


def _record(panel: Panel) -> list[str]:
    cluster = panel.picture.cluster
    if cluster is None:
        return ["ZooKeeper: no session"]
    leader = f"{cluster.leader.name}, session {cluster.leader.session:#x}" if cluster.leader else "nobody"
    members = ", ".join(sorted(cluster.sync.members)) or "nobody"
    operation = panel.picture.operation or "none"
    return [
        f"leader key: {leader}",
        f"synchronous: {members} (version {cluster.sync.version})",
        f"operation: {operation}",
    ]


def _rules(decision: Decision) -> list[str]:
    return [f"  {ruling.explain()}\n      {ruling.row.comment}" for ruling in decision.rulings]
