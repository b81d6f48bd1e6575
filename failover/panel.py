"""The panel of observers: which views still count, and on what their sites agree.

A site speaks with one voice: it agrees that something is so only if every fresh view from it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from failover.model import Layout
from failover.stranded import Stranded
from failover.views import (
    NEVER,
    AgentView,
    ClusterRecord,
    DatabaseView,
    PatroniReport,
    PeerView,
    Sighting,
    Signal,
)

Says = Callable[[AgentView], bool]


@dataclass(frozen=True)
class Thresholds:
    """When a loss counts.

    `probes` failed in a row, seen from `sites` sites other than the lost one's; a view older than `fresh_ms`
    on the reader's clock does not count. `fresh_ms` must outlast two publications and be shorter than the
    time it takes to confirm a loss, or a dead site's last words contradict its death. While all views are
    calm, agents publish less often, and `calm_ms` counts instead.
    """

    probes: int = 3
    sites: int = 2
    fresh_ms: int = 900
    calm_ms: int = 2200
    sync_wanted: int = 2
    flapping_failovers: int = 2


@dataclass(frozen=True)
class Picture:
    """All that is known at one instant (`now_ns`, the reader's monotonic clock).

    `cluster` is None while the reader has no ZooKeeper session. `maintenance`: hosts an operator took out.
    `operation`: id of the operation under way. `recent_failovers`: automatic ones within the flapping window.
    `tree_mismatches`: ZooKeeper servers by host that had another tree than their leader, and how often.
    `stranded`: standbys by host that wait for WAL which the primary has removed.
    """

    layout: Layout
    now_ns: int
    sightings: tuple[Sighting, ...]
    cluster: ClusterRecord | None
    thresholds: Thresholds = field(default_factory=Thresholds)
    maintenance: frozenset[str] = frozenset()
    operation: str | None = None
    recent_failovers: int = 0
    tree_mismatches: Mapping[str, int] = field(default_factory=dict)
    stranded: Mapping[str, Stranded] = field(default_factory=dict)

    @property
    def leader(self) -> str | None:
        """Who holds the leader key; None: nobody, or there is no session to know by."""
        return self.cluster.leader.name if self.cluster and self.cluster.leader else None


@dataclass(frozen=True)
class Verdict:
    """What the panel says of one question: sites that agree, and observers that contradict."""

    agreeing: tuple[str, ...]
    dissenting: tuple[str, ...]


def _fresh(picture: Picture) -> tuple[AgentView, ...]:
    """One restless view makes every agent publish fast: from then on an older one is an absent agent's."""

    def within(limit_ms: int) -> tuple[AgentView, ...]:
        return tuple(each.view for each in picture.sightings if each.age_ms(picture.now_ns) <= limit_ms)

    calm = within(picture.thresholds.calm_ms)
    return within(picture.thresholds.fresh_ms) if any(view.restless for view in calm) else calm


def everyone_counts(picture: Picture) -> bool:
    """Whether every view there is, is fresh."""
    return len(_fresh(picture)) == len(picture.sightings)


class Panel:
    """The fresh views of a picture, ready to be asked."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.thresholds = picture.thresholds
        self.fresh = _fresh(picture)
        layout = picture.layout
        hosts = (*layout.databases, *layout.applications, *layout.zookeepers)
        self.site_of = {node.name: node.site for node in hosts}

    @property
    def sites(self) -> tuple[str, ...]:
        """Every site with servers, data sites first."""
        return tuple(dict.fromkeys(self.site_of.values()))

    def speaking(self, site: str) -> tuple[AgentView, ...]:
        return tuple(view for view in self.fresh if view.site == site)

    def agrees(self, site: str, says: Says) -> bool:
        views = self.speaking(site)
        return bool(views) and all(says(view) for view in views)

    def ask(self, subject_site: str, says: Says, contradicts: Says) -> Verdict:
        """Which sites other than the subject's agree, and which observers anywhere do not."""
        others = (site for site in self.sites if site != subject_site)
        return Verdict(
            tuple(site for site in others if self.agrees(site, says)),
            tuple(view.observer for view in self.fresh if contradicts(view)),
        )

    def databases_in(self, site: str) -> tuple[str, ...]:
        nodes = self.picture.layout.databases
        return tuple(node.name for node in nodes if node.site == site and not self.maintained(node.name))

    def observers_in(self, site: str) -> tuple[str, ...]:
        """Hosts of a site that agents watch as peers."""
        names = (node.name for node in (*self.picture.layout.applications, *self.picture.layout.zookeepers))
        return tuple(
            dict.fromkeys(name for name in names if self.site_of[name] == site and not self.maintained(name))
        )

    def maintained(self, host: str) -> bool:
        return host in self.picture.maintenance

    def site_gone(self, view: AgentView, site: str) -> bool:
        """The view sees every database host and every peer of the site fail, surely."""
        probes = self.thresholds.probes
        databases = [database_of(view, host).lost(probes) for host in self.databases_in(site)]
        peers = [peer_of(view, host).reach.fails_surely(probes) for host in self.observers_in(site)]
        return bool(databases or peers) and all(databases) and all(peers)

    def site_seen(self, view: AgentView, site: str) -> bool:
        """The view stands in the site, or sees something there answer."""
        if view.site == site:
            return True
        databases = any(database_of(view, host).answers for host in self.databases_in(site))
        return databases or any(peer_of(view, host).reach.answers for host in self.observers_in(site))

    def hears(self, site: str, other: str) -> bool:
        """Some agent of `site` got a datagram from `other` lately."""
        hosts = self.observers_in(other)
        ages = [peer_of(view, host).heard_ms for view in self.speaking(site) for host in hosts]
        return any(age is not None and age <= self.thresholds.fresh_ms for age in ages)

    def report(self, host: str) -> PatroniReport | None:
        """The report with the highest timeline and LSN that a fresh view holds of a REST that answers."""
        reports = [
            view.report
            for agent in self.fresh
            if (view := agent.database(host)) and view.rest.answers and view.report
        ]
        return max(reports, key=lambda report: (report.timeline or 0, report.lsn or 0), default=None)

    def signals(self, host: str) -> tuple[tuple[str, DatabaseView], ...]:
        """(observer, what it sees of the host) for every fresh view."""
        return tuple((view.observer, database_of(view, host)) for view in self.fresh)


def database_of(view: AgentView, host: str) -> DatabaseView:
    return view.database(host) or DatabaseView(host)


def peer_of(view: AgentView, host: str) -> PeerView:
    """What a view says of a peer. An agent does not watch itself: it is there."""
    found = next((peer for peer in view.peers if peer.host == host), None)
    return found or PeerView(host, NEVER)


def say(signal: Signal) -> str:
    """A signal in words: "silent 4 times in a row over 1.2 s"."""
    if signal.streak <= 1:
        return str(signal.outcome)
    return f"{signal.outcome} {signal.streak} times in a row over {signal.for_ms / 1000:.1f} s"
