"""Who may become primary: a synchronous member that the observers see alive. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from failover.conditions import Condition, Finding
from failover.panel import Panel, Picture


@dataclass(frozen=True)
class Choice:
    """The candidate, or None; and for every host that was not chosen, why."""

    candidate: str | None
    reasons: tuple[str, ...]


SITE_WIDE = frozenset({Condition.SITE_LOST, Condition.SITE_ISOLATED})


def choose(picture: Picture, finding: Finding) -> Choice:
    """Chooses among /sync, which alone has every acknowledged write.

    First in the primary's own site while that site is well, as the clients are there; then who received most.
    """
    panel = Panel(picture)
    leader = picture.leader or ""
    away = panel.site_of.get(leader, "") if finding.condition in SITE_WIDE else None
    judged = {
        node.name: _objection(panel, node.name, away)
        for node in picture.layout.databases
        if node.name != leader
    }
    fit = [host for host, objection in judged.items() if objection is None]
    home = panel.site_of.get(leader)
    best = min(
        fit, key=lambda host: (panel.site_of[host] != home, -_received(panel, host), host), default=None
    )
    return Choice(best, tuple(f"{host}: {text}" for host, text in judged.items() if text))


def _objection(panel: Panel, host: str, away: str | None) -> str | None:
    cluster = panel.picture.cluster
    if cluster is None or host not in cluster.sync.members:
        return "not synchronous: it may lack acknowledged writes"
    if panel.site_of[host] == away:
        return f"stands in {away}"
    if panel.maintained(host):
        return "in maintenance"
    report = panel.report(host)
    if report is None:
        return "no observer gets an answer from its Patroni"
    if not report.running or report.primary:
        return f"Patroni says {'primary' if report.primary else report.state}"
    return None


def _received(panel: Panel, host: str) -> int:
    report = panel.report(host)
    return report.lsn or 0 if report else 0
