"""All views in, one named condition out, with the evidence. Pure."""

from __future__ import annotations

from failover import durability, links, losses
from failover.conditions import Condition, Diagnosis, Finding
from failover.panel import Panel, Picture


def diagnose(picture: Picture) -> Diagnosis:
    """The gravest finding of a picture, and all others beside it."""
    if picture.cluster is None:
        return Diagnosis(_no_quorum(picture))
    panel = Panel(picture)
    findings = sorted(
        (*losses.find(panel), *links.find(panel), *durability.find(panel)), key=lambda finding: finding.rank
    )
    if not findings:
        return Diagnosis(_healthy(panel))
    return Diagnosis(findings[0], tuple(findings[1:]))


def _no_quorum(picture: Picture) -> Finding:
    known = ", ".join(sorted(sighting.view.observer for sighting in picture.sightings)) or "nobody"
    return Finding(
        Condition.ZOOKEEPER_WITHOUT_QUORUM,
        "zookeeper",
        ("this agent has no ZooKeeper session: the ensemble has no majority, or this host is cut off from it",
         f"last views before that: {known}"),
    )  # fmt: skip


def _healthy(panel: Panel) -> Finding:
    leader = panel.picture.leader or "nobody"
    sites = ", ".join(site for site in panel.sites if panel.speaking(site))
    return Finding(Condition.HEALTHY, leader, (f"{leader} is primary; {sites} agree",))
