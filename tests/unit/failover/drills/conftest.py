"""A world in memory for drills: two sites, a database, clients and a clock that only moves when slept on.

Every port is the world's; whoever calls one passes a wire, which a test may trip at any call.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from failover import journal
from failover.drills.history import Recorder
from failover.drills.model import (
    ClusterStatus,
    Direction,
    Entry,
    Estate,
    Event,
    EventType,
    FinalState,
    Host,
    Member,
    MemberRole,
    NodeState,
    OrchestratorMode,
    ReplicationMode,
    ToldEvent,
)
from failover.drills.order import Order
from failover.drills.ports import LoadRun, Ports
from failover.drills.runner import Drill
from failover.drills.scenarios import SCENARIOS, Timing
from failover.drills.steps import AGENT_UNIT

START_NS = 1_000_000_000_000
TICK_NS = 100_000_000
FAILOVER_S = 4.0
REJOIN_S = 3.0
SWITCHOVER_S = 1.5

HOSTS = (
    *(
        Host(f"{site}-{name}", f"10.77.{number}.{last}", site, frozenset(groups))
        for number, site in ((1, "dc1"), (2, "dc2"))
        for name, last, groups in (
            ("db1", 21, {"postgresql"}),
            ("db2", 22, {"postgresql"}),
            ("app1", 31, {"application", "zookeeper"}),
            ("app2", 32, {"application", "zookeeper"}),
        )
    ),
    Host("wit-zk1", "10.77.3.41", "wit", frozenset({"zookeeper"})),
)

ESTATE = Estate(HOSTS, (Entry("dc1", "https://10.77.1.10"), Entry("dc2", "https://10.77.2.10")))


@dataclass
class World:
    """The state of everything, and the ports to it."""

    now_ns: int = START_NS
    primary: str | None = "dc1-db1"
    timeline: int = 1
    mode: ReplicationMode = ReplicationMode.SYNCHRONOUS
    dark: set[str] = field(default_factory=set)  # hosts without power
    frozen: set[str] = field(default_factory=set)
    cuts: set[frozenset[str]] = field(default_factory=set)
    isolated: set[str] = field(default_factory=set)
    stopped_units: set[tuple[str, str]] = field(default_factory=set)
    rows: dict[str, Counter] = field(default_factory=dict)
    keys: dict[str, Counter] = field(default_factory=dict)
    due: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    load: LoadRun | None = None
    observing: Path | None = None
    load_died: str | None = None
    orchestrator: OrchestratorMode = OrchestratorMode.OBSERVE_ONLY
    operations: tuple[journal.Entry, ...] = ()
    calls: int = 0
    wire: Callable[[int, str], None] = lambda _number, _name: None
    never_promotes: bool = False
    reduced: bool = False
    batch: int = 1  # card transactions that each client sends at once
    stores: Callable[[int], Iterable[int]] = range  # which of a batch's transactions the database keeps
    never_rejoins: bool = False
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))
    open_since: dict[int, int] = field(default_factory=dict)
    events: list[tuple[str, ...]] = field(default_factory=list)  # the feed: which markers each tells of
    tells: Callable[[tuple[ToldEvent, ...]], Iterable[ToldEvent]] = tuple  # what becomes of a page
    delivers: Callable[[list[Event]], Iterable[Event]] = list  # what becomes of deliveries
    cursor: int | None = None
    looks: itertools.count = field(default_factory=lambda: itertools.count(1))
    preparing_s: float = 0.0  # how long the checks and lists before a fault take
    broken_at_ns: int | None = None

    def __post_init__(self) -> None:
        for host in ESTATE.members("postgresql"):
            self.rows[host.name], self.keys[host.name] = Counter(), Counter()
        self.joined = set(self.rows)
        self.sampled = list(self.rows)

    # -- what the tests ask --------------------------------------------------------------------

    @property
    def broken(self) -> list[str]:
        """What is still broken; empty when everything was healed."""
        left = [*self.dark, *self.frozen, *map(str, self.cuts), *self.isolated, *map(str, self.stopped_units)]
        if self.mode is not ReplicationMode.SYNCHRONOUS:
            left.append("replication")
        if self.load is not None:
            left.append("load")
        if self.observing is not None:
            left.append("observer")
        if self.reduced:
            left.append("ensemble")
        return left

    def ports(self) -> Ports:
        return Ports(
            clock=WorldClock(self),
            faults=WorldFaults(self),
            cluster=WorldCluster(self),
            orchestrator=WorldOrchestrator(self),
            quorum=WorldQuorum(self),
            state=WorldState(self),
            load=WorldLoad(self),
            observer=WorldObserver(self),
            logs=WorldLogs(self),
        )

    # -- time ----------------------------------------------------------------------------------

    def call(self, name: str) -> None:
        self.calls += 1
        self.wire(self.calls, name)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.due.append((self.now_ns + int(seconds * 1e9), action))

    def advance(self, seconds: float) -> None:
        until = self.now_ns + int(seconds * 1e9)
        while self.now_ns < until:
            self.now_ns = min(self.now_ns + TICK_NS, until)
            ready = [item for item in self.due if item[0] <= self.now_ns]
            self.due = [item for item in self.due if item[0] > self.now_ns]
            for _, action in ready:
                action()
            self._work()
            self._observe()

    # -- the cluster ---------------------------------------------------------------------------

    def site_of(self, host: str) -> str:
        return ESTATE.host(host).site

    def up(self, host: str) -> bool:
        return not {host, self.site_of(host)} & (self.dark | self.frozen | self.isolated)

    def hosts_of(self, target: str) -> list[str]:
        return [host.name for host in HOSTS if target in (host.name, host.site)]

    def lose_primary(self) -> None:
        self.joined -= {host for host in self.joined if not self.up(host)}
        if self.primary and not self.up(self.primary):
            self.primary = None
            if not self.never_promotes:
                self.after(FAILOVER_S, self._promote)

    def _promote(self) -> None:
        if self.primary is None:
            candidates = sorted(host for host in self.rows if self.up(host))
            self.primary, self.timeline = candidates[-1], self.timeline + 1
            held = self.rows[self.primary]
            self.events = [markers for markers in self.events if markers[0] in held]
            self.rejoin()

    def rejoin(self) -> None:
        """A returned standby copies the primary; what only it had is gone."""
        if self.never_rejoins or self.primary is None:
            return
        for host in self.rows:
            if self.up(host):
                self.rows[host] = Counter(self.rows[self.primary])
                self.keys[host] = Counter(self.keys[self.primary])
                self.joined.add(host)

    def reached(self) -> list[str]:
        """The nodes that a commit reaches now."""
        if self.primary is None or frozenset({"dc1", "dc2"}) not in self.cuts:
            return sorted(self.joined)
        return [host for host in self.joined if self.site_of(host) == self.site_of(self.primary)]

    # -- clients and observer ------------------------------------------------------------------

    def _work(self) -> None:
        """Three clients act in each tick; without a primary they retry and stay open."""
        if self.load is None:
            return
        with Recorder(self.load.history) as recorder:
            for client in range(3):
                self._act(client, recorder)
            if self.now_ns % (5 * TICK_NS) == 0:
                self.follow(recorder)

    def follow(self, recorder: Recorder) -> None:
        """Somebody reads the event feed from where the page before ended; the first look finds its end."""
        if self.primary is None:
            return
        key = f"{self.load.run_id}:follower-1:{next(self.looks)}"
        look = Event(
            t_ns=self.now_ns, type=EventType.INVOKE, proc="follower-1", function="follow", idempotency_key=key
        )
        recorder.record(look)
        after, self.cursor = self.cursor, len(self.events)
        if after is not None and after > len(self.events):
            self.cursor = 0
            recorder.record(replace(look, type=EventType.FAIL, status=410, err="cursor-lost"))
            return
        page = () if after is None else tuple(self.told_event(place) for place in range(after, self.cursor))
        end = replace(look, type=EventType.OK, after=after, reached=self.cursor, told=tuple(self.tells(page)))
        recorder.record(end)
        for delivery in self.delivers([self.delivery(event) for event in page]):
            recorder.record(delivery)

    def delivery(self, event: ToldEvent) -> Event:
        """A webhook brings what the feed tells, and is taken."""
        return Event(
            t_ns=self.now_ns, type=EventType.OBSERVE, proc="receiver", function="delivery", attempt=1,
            idempotency_key=event.id, status=204, state="taken", told=(replace(event, position=None),),
        )  # fmt: skip

    def told_event(self, place: int) -> ToldEvent:
        markers = self.events[place]
        return ToldEvent(place + 1, f"e-{markers[0]}", "transactions.received", markers[0], None, markers)

    def _act(self, client: int, recorder: Recorder) -> None:
        jitter = self.rng.randrange(TICK_NS)
        t_ns = self.now_ns - TICK_NS + jitter
        if client not in self.open_since:
            self.open_since[client] = next(self.numbers)
            size = self.batch if self.batch > 1 else None
            self._event(recorder, t_ns, EventType.INVOKE, client, attempt=1, size=size)
        if self.primary is None:
            if self.rng.random() < 0.1:
                self._event(recorder, t_ns, EventType.RETRY, client, status=503, err="no-primary")
            return
        marker = self._marker(client)
        for host in self.reached():
            for place in self.stores(self.batch):
                self.rows[host][f"{marker}:{place}" if place else marker] += 1
            self.keys[host][marker] += 1
        self.events.append(tuple(f"{marker}:{part}" if part else marker for part in range(self.batch)))
        node = ESTATE.host(self.primary).address
        route = "dc1" if "dc1" not in self.dark else "dc2"
        self._event(
            recorder, t_ns + 4_000_000, EventType.OK, client,
            status=201, node=node, timeline=self.timeline, route=route,
        )  # fmt: skip
        del self.open_since[client]

    def _marker(self, client: int) -> str:
        return f"{self.load.run_id}:feed-{client}:{self.open_since[client]}"

    def _event(self, recorder: Recorder, t_ns: int, kind: EventType, client: int, **more) -> None:
        marker = self._marker(client)
        event = Event(
            t_ns=t_ns, type=kind, proc=f"feed-{client}", function="card_transaction", idempotency_key=marker,
            marker=marker, latency_ns=None if kind is EventType.INVOKE else self.rng.randrange(2, 9) * 10**6,
        )  # fmt: skip
        recorder.record(replace(event, **more))

    def _observe(self) -> None:
        if self.observing is None or self.now_ns % (2 * TICK_NS):
            return
        with Recorder(self.observing) as recorder:
            for host in self.sampled:
                accepts = host == self.primary
                state = "accepted" if accepts else "read-only" if self.up(host) else "unreachable"
                recorder.record(
                    self._observation(
                        "writer", node=host, status=int(accepts), state=state, latency_ns=5 * 10**6
                    )
                )
            recorder.record(self._observation("leader", node=self.primary))
            for entry in ESTATE.entries:
                recorder.record(self._entry(entry.site))

    def _observation(self, function: str, **more) -> Event:
        event = Event(t_ns=self.now_ns, type=EventType.OBSERVE, proc="observer", function=function)
        return replace(event, **more)

    def _entry(self, site: str) -> Event:
        if not any(self.up(host.name) for host in ESTATE.members("application", site)):
            return self._observation("entry", route=site, err="timed out")
        if self.primary is None:
            return self._observation("entry", route=site, status=200, state="reads")
        node = ESTATE.host(self.primary).address
        return self._observation("entry", route=site, status=200, state="writes", node=node)


@dataclass
class WorldClock:
    world: World

    def monotonic_ns(self) -> int:
        return self.world.now_ns

    def now(self) -> datetime:
        elapsed = timedelta(microseconds=(self.world.now_ns - START_NS) / 1000)
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + elapsed

    def sleep(self, seconds: float) -> None:
        self.world.advance(seconds)


@dataclass
class WorldQuorum:
    world: World

    def recover(self, survivor: str) -> None:  # noqa: ARG002
        self.world.call("recover_quorum")
        self.world.reduced = True

    def rejoin(self) -> None:
        self.world.call("rejoin_quorum")
        assert not self.world.dark, "servers without power cannot be taken back"
        self.world.reduced = False


@dataclass
class WorldFaults:
    world: World

    def began_ns(self) -> int | None:
        return self.world.broken_at_ns

    def power_cut(self, target: str) -> None:
        self.world.call("power_cut")
        self.world.dark |= set(self.world.hosts_of(target))
        self.world.advance(0.1)
        self.world.lose_primary()

    def boot(self, target: str) -> None:
        self.world.call("boot")
        self.world.dark -= set(self.world.hosts_of(target))
        self.world.after(REJOIN_S, self.world.rejoin)

    def freeze(self, target: str) -> None:
        self.world.call("freeze")
        self.world.frozen |= set(self.world.hosts_of(target))
        self.world.lose_primary()

    def thaw(self, target: str) -> None:
        self.world.call("thaw")
        self.world.frozen -= set(self.world.hosts_of(target))
        self.world.after(REJOIN_S, self.world.rejoin)

    def kill_postgres(self, host: str) -> None:
        self.world.call("kill_postgres")
        self.world.advance(self.world.preparing_s)
        self.world.broken_at_ns = self.world.now_ns
        self.world.frozen.add(host)
        self.world.lose_primary()
        self.world.frozen.discard(host)
        self.world.after(FAILOVER_S + REJOIN_S, self.world.rejoin)

    def stop_unit(self, host: str, unit: str) -> None:
        self.world.call("stop_unit")
        self.world.stopped_units.add((host, unit))

    def start_unit(self, host: str, unit: str) -> None:
        self.world.call("start_unit")
        self.world.stopped_units.discard((host, unit))

    def kill_unit(self, host: str, unit: str) -> None:
        self.world.call("kill_unit")
        self.world.stopped_units.add((host, unit))

    def cut_link(self, a: str, b: str, direction: Direction) -> None:  # noqa: ARG002
        self.world.call("cut_link")
        self.world.cuts.add(frozenset({a, b}))
        self.world.joined = set(self.world.reached())

    def restore_link(self, a: str, b: str) -> None:
        self.world.call("restore_link")
        self.world.cuts.discard(frozenset({a, b}))
        self.world.after(REJOIN_S, self.world.rejoin)

    def isolate(self, target: str) -> None:
        self.world.call("isolate")
        self.world.isolated |= set(self.world.hosts_of(target))
        self.world.lose_primary()

    def rejoin(self, target: str) -> None:
        self.world.call("rejoin")
        self.world.isolated -= set(self.world.hosts_of(target))
        self.world.after(REJOIN_S, self.world.rejoin)

    def heal_all(self) -> None:
        self.world.call("heal_all")
        for broken in (self.world.dark, self.world.frozen, self.world.isolated, self.world.cuts):
            broken.clear()
        self.world.stopped_units.clear()
        self.world.after(REJOIN_S, self.world.rejoin)


@dataclass
class WorldCluster:
    world: World

    def status(self) -> ClusterStatus:
        self.world.call("status")
        return ClusterStatus(tuple(self._member(host) for host in self.world.rows), self.world.mode)

    def _member(self, host: str) -> Member:
        world = self.world
        if host == world.primary:
            return Member(host, MemberRole.LEADER, "running", world.timeline, 0, synchronous=False)
        streams = world.up(host) and host in world.joined
        synchronous = streams and world.mode is ReplicationMode.SYNCHRONOUS
        state = "streaming" if streams else "stopped"
        return Member(host, MemberRole.REPLICA, state, world.timeline, 0, synchronous=synchronous)

    def problems(self) -> tuple[str, ...]:
        self.world.call("problems")
        return tuple(f"{host.name} does not answer" for host in HOSTS if not self.world.up(host.name))

    def switchover(self, to_site: str) -> None:
        self.world.call("switchover")
        self.world.primary = None

        def promote() -> None:
            self.world.primary, self.world.timeline = f"{to_site}-db1", self.world.timeline + 1

        self.world.after(SWITCHOVER_S, promote)

    def set_replication(self, mode: ReplicationMode) -> None:
        self.world.call("set_replication")
        self.world.mode = mode

    def entry_holder(self, site: str) -> str:
        self.world.call("entry_holder")
        return f"{site}-app1"

    def zookeeper_leader(self) -> str:
        self.world.call("zookeeper_leader")
        return "wit-zk1"

    def versions(self) -> dict[str, str]:
        self.world.call("versions")
        return {"postgresql": "17.11", "patroni": "4.1.5"}


@dataclass
class WorldOrchestrator:
    """Agents that watch: each is there unless its unit was stopped."""

    world: World

    def mode(self) -> OrchestratorMode:
        self.world.call("mode")
        return self.world.orchestrator if self._running() else OrchestratorMode.STOPPED

    def hosts(self) -> tuple[str, ...]:
        return tuple(host.name for host in HOSTS if "zookeeper" in host.groups)

    def holder(self) -> str | None:
        return next(iter(self._running()), None)

    def missing(self) -> tuple[str, ...]:
        self.world.call("missing")
        running = self._running()
        return tuple(f"{host} is away" for host in self.hosts() if running and host not in running)

    def operations(self) -> tuple[journal.Entry, ...]:
        self.world.call("operations")
        return self.world.operations

    def _running(self) -> list[str]:
        stopped = {host for host, unit in self.world.stopped_units if unit == AGENT_UNIT}
        return [host for host in self.hosts() if host not in stopped and self.world.up(host)]


@dataclass
class WorldState:
    world: World

    def collect(self, run_id: str, deadline_s: float) -> FinalState:  # noqa: ARG002
        self.world.call("collect")
        world = self.world
        return FinalState(
            tuple(
                NodeState(
                    host, host == world.primary, host in world.joined, world.timeline, rows, world.keys[host]
                )
                for host, rows in world.rows.items()
            )
        )


@dataclass
class WorldLoad:
    world: World

    def start(self, run: LoadRun) -> None:
        self.world.call("load.start")
        self.world.load = run
        with Recorder(run.history) as recorder:
            self.world.follow(recorder)

    def stop(self) -> None:
        self.world.call("load.stop")
        if self.world.load is not None:
            with Recorder(self.world.load.history) as recorder:
                self.world.follow(recorder)
        self.world.load = None

    def failure(self) -> str | None:
        return self.world.load_died


@dataclass
class WorldObserver:
    world: World

    def start(self, history: Path) -> None:
        self.world.call("observer.start")
        self.world.observing = history

    def stop(self) -> None:
        self.world.call("observer.stop")
        self.world.observing = None


@dataclass
class WorldLogs:
    world: World

    def journal(self, host: str, since: datetime, until: datetime) -> Iterable[str]:  # noqa: ARG002
        self.world.call("journal")
        at = int((since + timedelta(seconds=1)).timestamp() * 1e6)
        return [json.dumps({"__REALTIME_TIMESTAMP": str(at), "_SYSTEMD_UNIT": "x.service", "MESSAGE": host})]


QUICK = Timing(warm_up_s=1, baseline_s=2, exposure_s=1, settle_s=1.5, after_s=2)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def estate() -> Estate:
    return ESTATE


def drill_in(world: World, directory: Path):
    def run(name: str, say=lambda _text: None, **changes):
        scenario = replace(SCENARIOS[name], **{"timing": QUICK, **changes})
        order = Order(scenario, ESTATE, directory, profile="steady", seed=1, run_id="r1")
        return Drill(order, world.ports(), say).run()

    return run


@pytest.fixture
def drill(world, tmp_path):
    """Run a scenario in the world, with quick timing; returns the verdict."""
    return drill_in(world, tmp_path / "report")


@pytest.fixture
def new_drill():
    """Make a new world and a drill in it, for tests that go through many."""

    def make(directory: Path):
        world = World()
        return world, drill_in(world, directory)

    return make
