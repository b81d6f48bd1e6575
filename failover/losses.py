"""Findings on the primary and on whole sites: what is lost, and who confirms it."""

from __future__ import annotations

from collections.abc import Iterator

from failover.conditions import Certainty, Condition, Finding
from failover.panel import Panel, Says, Verdict, database_of, say
from failover.views import AgentView, DatabaseView, LeaderKey, Outcome

# Patroni restarts PostgreSQL on purpose in these states; to fail over then would be a false alarm.
BEING_STARTED = frozenset({"starting", "restarting"})


def find(panel: Panel) -> Iterator[Finding]:
    """Losses of data sites, of the primary, and the absence or plurality of primaries."""
    yield from _several_primaries(panel)
    for site in panel.picture.layout.data_sites:
        yield from _site(panel, site)
    cluster = panel.picture.cluster
    if cluster is None:
        return
    if cluster.leader is None:
        yield _no_primary(panel)
        return
    yield from _primary(panel, cluster.leader)


def _site(panel: Panel, site: str) -> Iterator[Finding]:
    if not panel.databases_in(site):
        return
    verdict = panel.ask(
        site, lambda view: panel.site_gone(view, site), lambda view: panel.site_seen(view, site)
    )
    if not verdict.agreeing or verdict.dissenting:
        return
    cluster = panel.picture.cluster
    leader = cluster.leader if cluster else None
    if leader and panel.site_of.get(leader.name) != site:
        condition = Condition.STANDBY_SITE_LOST
    else:
        condition = Condition.SITE_ISOLATED if _all_silent(panel, site) else Condition.SITE_LOST
    evidence = tuple(f"{each}: no host of {site} answers" for each in verdict.agreeing)
    yield _weighed(panel, condition, site, verdict, evidence)


def _all_silent(panel: Panel, site: str) -> bool:
    """Nothing at all came back. A refusal would show that a kernel is there and reachable."""
    outcomes = {
        signal.outcome
        for view in panel.fresh
        for host in panel.databases_in(site)
        for signal in (database_of(view, host).rest, database_of(view, host).postgres)
    }
    return outcomes <= {Outcome.SILENT, Outcome.UNKNOWN}


def _primary(panel: Panel, leader: LeaderKey) -> Iterator[Finding]:
    """What is confirmed; else what is suspected; else that the observers disagree."""
    evidence = _evidence(panel, leader.name)
    asked = [
        (condition, panel.ask(panel.site_of.get(leader.name, ""), says, contradicts))
        for condition, says, contradicts in _questions(panel, leader.name)
    ]
    found = [
        _weighed(panel, condition, leader.name, verdict, evidence)
        for condition, verdict in asked
        if verdict.agreeing and not verdict.dissenting
    ]
    if found:
        yield min(found, key=lambda finding: not finding.confirmed)
    elif any(v.agreeing and not _link_explains(panel, leader.name, v) for _, v in asked):
        yield Finding(Condition.VIEWS_DISAGREE, leader.name, evidence)


def _questions(panel: Panel, host: str) -> tuple[tuple[Condition, Says, Says], ...]:
    """(condition, an observer that says so, an observer that contradicts), the strictest reading first."""
    probes = panel.thresholds.probes

    def seen(view: AgentView) -> DatabaseView:
        return database_of(view, host)

    def unmanaged(view: AgentView) -> bool:
        """Nobody listens. A Patroni that is only slow still renews the lease, and keeps it for a reason."""
        gone = seen(view).rest.fails_surely(probes) and seen(view).rest.outcome is Outcome.REFUSED
        return gone and not seen(view).postgres.fails

    def down(view: AgentView) -> bool:
        """After a crash Patroni may keep its askers waiting; a refused port shows that its host is there."""
        there = seen(view).rest.answers or seen(view).postgres.outcome is Outcome.REFUSED
        return there and _postgres_gone(seen(view), probes)

    return (
        (_kind_of_loss(panel, host), lambda view: seen(view).lost(probes), lambda view: seen(view).answers),
        (Condition.PRIMARY_PROCESS_DOWN, down, lambda view: seen(view).postgres.answers),
        (Condition.PRIMARY_UNMANAGED, unmanaged, lambda view: seen(view).rest.answers),
    )


def _postgres_gone(database: DatabaseView, probes: int) -> bool:
    """Nobody listens, and Patroni is not on it. Where the port may not be probed, Patroni's word counts."""
    state = database.report.state if database.report else "unknown"
    if state in BEING_STARTED:
        return False
    if database.postgres.outcome is Outcome.UNKNOWN:
        return state != "running"
    return database.postgres.fails_surely(probes)


def _kind_of_loss(panel: Panel, host: str) -> Condition:
    """Frozen, if anybody still gets a connection accepted; its listen queue fills up after a while.

    A refusal tells of a kernel that runs.
    """
    outcomes = {
        signal.outcome for _, database in panel.signals(host) for signal in (database.rest, database.postgres)
    }
    frozen = Outcome.MUTE in outcomes and Outcome.REFUSED not in outcomes
    return Condition.PRIMARY_FROZEN if frozen else Condition.PRIMARY_HOST_LOST


def _link_explains(panel: Panel, host: str, verdict: Verdict) -> bool:
    """The sites that miss the host miss its whole site: then it is the link, not the host."""
    site = panel.site_of.get(host, "")
    return all(panel.agrees(each, lambda view: panel.site_gone(view, site)) for each in verdict.agreeing)


def _weighed(
    panel: Panel, condition: Condition, subject: str, verdict: Verdict, evidence: tuple[str, ...]
) -> Finding:
    wanted = panel.thresholds.sites
    if len(verdict.agreeing) >= wanted:
        return Finding(condition, subject, evidence)
    lacking = f"seen by {', '.join(verdict.agreeing)} only; {wanted} sites other than the lost one must agree"
    return Finding(condition, subject, evidence, Certainty.SUSPECTED, lacking)


def _evidence(panel: Panel, host: str) -> tuple[str, ...]:
    return tuple(
        f"{observer}: {host} REST {say(view.rest)}, PostgreSQL {say(view.postgres)}"
        + (f", Patroni says {view.report.state}" if view.rest.answers and view.report else "")
        for observer, view in panel.signals(host)
    )


def _several_primaries(panel: Panel) -> Iterator[Finding]:
    hosts = (node.name for node in panel.picture.layout.databases)
    writable = [(host, report) for host in hosts if (report := panel.report(host)) and report.writable]
    if len(writable) > 1:
        evidence = tuple(f"{host} says primary on timeline {report.timeline}" for host, report in writable)
        yield Finding(Condition.SEVERAL_PRIMARIES, ", ".join(host for host, _ in writable), evidence)


def _no_primary(panel: Panel) -> Finding:
    cluster = panel.picture.cluster
    members = ", ".join(sorted(cluster.sync.members)) if cluster and cluster.sync.members else "nobody"
    return Finding(
        Condition.NO_PRIMARY, "cluster", ("nobody holds the leader key", f"{members} may be promoted (/sync)")
    )
