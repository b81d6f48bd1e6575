"""A world of hosts and links, and what agents standing in it see. Feeds the real diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from failover.model import Layout, Node, Site
from failover.panel import Picture, Thresholds
from failover.rebuilds import COPIES
from failover.stranded import Stranded
from failover.views import (
    AgentView,
    ClusterRecord,
    DatabaseView,
    LeaderKey,
    Outcome,
    PatroniReport,
    PeerView,
    PoolView,
    Sighting,
    Signal,
    SyncKey,
)

SECOND = 1_000_000_000
LONG_AGO_NS = 60 * SECOND
VOTERS_FOR_QUORUM = 3


class Health(Enum):
    """State of a host. OFF is silent, REFUSING is off as the lab has it: the kernel is left and refuses."""

    ON = "on"
    OFF = "off"
    REFUSING = "refusing"
    FROZEN = "frozen"
    POSTGRES_DOWN = "postgres down"
    PATRONI_DOWN = "patroni down"


GONE = frozenset({Health.OFF, Health.REFUSING, Health.FROZEN})


def estate() -> Layout:
    """Two data sites of two database and two application hosts each, and a witness."""

    def nodes(*names: str) -> tuple[Node, ...]:
        return tuple(Node(name, name.partition("-")[0], "192.0.2.1") for name in names)

    applications = nodes("dc1-app1", "dc1-app2", "dc2-app1", "dc2-app2")
    return Layout(
        sites=(Site("dc1"), Site("dc2"), Site("wit")),
        databases=nodes("dc1-db1", "dc1-db2", "dc2-db1", "dc2-db2"),
        applications=applications,
        zookeepers=(*applications, *nodes("wit-zk1")),
    )


@dataclass(frozen=True)
class Scene:
    """What is the case. `cuts` are directed: ("dc1", "dc2") loses what dc1 sends to dc2."""

    layout: Layout = field(default_factory=estate)
    health: dict[str, Health] = field(default_factory=dict)
    cuts: frozenset[tuple[str, str]] = frozenset()
    leader: str | None = "dc1-db1"
    session: int = 1
    sync: frozenset[str] = frozenset({"dc1-db2", "dc2-db1"})
    sync_version: int = 1
    primaries: frozenset[str] = frozenset({"dc1-db1"})
    timelines: dict[str, int] = field(default_factory=dict)
    not_streaming: frozenset[str] = frozenset()
    paused: bool = False
    pools_paused: dict[str, str | None] = field(default_factory=dict)
    operation: str | None = None
    maintenance: frozenset[str] = frozenset()
    tree_mismatches: dict[str, int] = field(default_factory=dict)
    stranded: dict[str, Stranded] = field(default_factory=dict)
    copying: frozenset[str] = frozenset()
    recent_failovers: int = 0
    streak: int = 5
    thresholds: Thresholds = field(default_factory=Thresholds)

    def with_health(self, health: Health, *hosts: str) -> Scene:
        return replace(self, health={**self.health, **dict.fromkeys(hosts, health)})

    def with_site(self, health: Health, site: str) -> Scene:
        return self.with_health(health, *(node.name for node in self._all_nodes() if node.site == site))

    def with_cut(self, *pairs: tuple[str, str], one_way: bool = False) -> Scene:
        back = () if one_way else tuple((b, a) for a, b in pairs)
        return replace(self, cuts=self.cuts | frozenset(pairs) | frozenset(back))

    def isolate(self, site: str) -> Scene:
        return self.with_cut(*((site, other.name) for other in self.layout.sites if other.name != site))

    def _all_nodes(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys((*self.layout.databases, *self.layout.zookeepers)))

    def state(self, host: str) -> Health:
        return self.health.get(host, Health.ON)

    def connected(self, one: str, other: str) -> bool:
        """Sites that can hold a TCP connection: both directions work."""
        return one == other or not {(one, other), (other, one)} & self.cuts

    def voters(self, site: str) -> int:
        """Living ZooKeeper servers in a site."""
        return sum(node.site == site and self.state(node.name) not in GONE for node in self.layout.zookeepers)

    def _leads(self, site: str) -> bool:
        """A ZooKeeper leader in this site would have a majority behind it."""
        followers = sum(
            self.voters(each.name) for each in self.layout.sites if self.connected(site, each.name)
        )
        return self.voters(site) > 0 and followers >= VOTERS_FOR_QUORUM

    def has_quorum(self, site: str) -> bool:
        """A client in the site reaches a server that belongs to a majority."""
        leaders = [each.name for each in self.layout.sites if self._leads(each.name)]
        return any(
            self.connected(site, via.name) and self.voters(via.name) and self.connected(via.name, leader)
            for via in self.layout.sites
            for leader in leaders
        )


def picture(scene: Scene, now_ns: int = 1000 * SECOND) -> Picture:
    """What the elected agent knows in a scene that has lasted for some time."""
    observers = scene.layout.zookeepers
    return Picture(
        layout=scene.layout,
        now_ns=now_ns,
        sightings=tuple(_sighting(scene, observer, now_ns) for observer in observers),
        cluster=_record(scene) if any(scene.has_quorum(site.name) for site in scene.layout.sites) else None,
        thresholds=scene.thresholds,
        maintenance=scene.maintenance,
        operation=scene.operation,
        recent_failovers=scene.recent_failovers,
        tree_mismatches=scene.tree_mismatches,
        stranded=scene.stranded,
    )


def _sighting(scene: Scene, observer: Node, now_ns: int) -> Sighting:
    """An agent without a session is known by its last words only: all was well."""
    publishes = scene.state(observer.name) not in GONE and scene.has_quorum(observer.site)
    if publishes:
        return Sighting(_view(scene, observer), now_ns)
    before = replace(scene, health={}, cuts=frozenset())
    return Sighting(_view(before, observer), now_ns - LONG_AGO_NS)


def _view(scene: Scene, observer: Node) -> AgentView:
    held = observer.name in scene.pools_paused
    witness = observer.site not in scene.layout.data_sites
    return AgentView(
        observer=observer.name,
        site=observer.site,
        incarnation="one",
        sequence=1,
        epoch=1,
        databases=tuple(_database(scene, observer, node) for node in scene.layout.databases),
        peers=tuple(_peer(scene, observer, node) for node in scene.layout.zookeepers if node != observer),
        pool=None if witness else PoolView(True, held, 0, scene.pools_paused.get(observer.name)),
    )


def _outcome(scene: Scene, observer: Node, target: Node, down: Health) -> Outcome:
    state = scene.state(target.name)
    if state is Health.OFF or not scene.connected(observer.site, target.site):
        return Outcome.SILENT
    if state in (Health.REFUSING, down):
        return Outcome.REFUSED
    return Outcome.MUTE if state is Health.FROZEN else Outcome.ANSWERS


def _signal(scene: Scene, outcome: Outcome) -> Signal:
    return Signal(outcome, scene.streak, scene.streak * 300)


def _database(scene: Scene, observer: Node, target: Node) -> DatabaseView:
    rest = _outcome(scene, observer, target, Health.PATRONI_DOWN)
    postgres = _outcome(scene, observer, target, Health.POSTGRES_DOWN)
    report = _report(scene, target) if rest is Outcome.ANSWERS else None
    return DatabaseView(target.name, _signal(scene, rest), _signal(scene, postgres), report)


def _report(scene: Scene, node: Node) -> PatroniReport:
    primary = node.name in scene.primaries
    copying = node.name in scene.copying
    running = scene.state(node.name) is not Health.POSTGRES_DOWN and not copying
    return PatroniReport(
        primary=primary,
        state="running" if running else COPIES if copying else "crashed",
        timeline=scene.timelines.get(node.name, 1),
        lsn=1000,
        streaming=running and not primary and node.name not in {*scene.not_streaming, *scene.stranded},
        paused=scene.paused,
    )


def _peer(scene: Scene, observer: Node, peer: Node) -> PeerView:
    outcome = _outcome(scene, observer, peer, Health.PATRONI_DOWN)
    speaks = scene.state(peer.name) not in GONE and (peer.site, observer.site) not in scene.cuts
    return PeerView(peer.name, _signal(scene, outcome), 100 if speaks else 60_000)


def _record(scene: Scene) -> ClusterRecord:
    alive = (node for node in scene.layout.databases if scene.state(node.name) not in GONE)
    return ClusterRecord(
        leader=LeaderKey(scene.leader, scene.session) if scene.leader else None,
        sync=SyncKey(scene.leader, scene.sync, scene.sync_version),
        members=frozenset(node.name for node in alive if scene.has_quorum(node.site)),
        paused=scene.paused,
        timeline=max(scene.timelines.values(), default=1),
    )
