"""A healthy estate of two data sites and a witness, for tests to break."""

from dataclasses import replace
from datetime import UTC, datetime

from failover.model import (
    ApiState,
    ApplicationView,
    Coordination,
    DatabaseState,
    DatabaseView,
    EntryView,
    EstateView,
    Layout,
    LeaderKey,
    Node,
    PatroniMember,
    ProxyServer,
    Role,
    Serves,
    Site,
    Standby,
    Unreachable,
    ZooKeeperState,
    ZooKeeperView,
)

SILENT = Unreachable("no answer within 3 s")
DATABASES = tuple(
    Node(f"{site}-db{n}", site, f"10.77.{i}.2{n}") for i, site in ((1, "dc1"), (2, "dc2")) for n in (1, 2)
)
APPLICATIONS = tuple(
    Node(f"{site}-app{n}", site, f"10.77.{i}.3{n}") for i, site in ((1, "dc1"), (2, "dc2")) for n in (1, 2)
)
WITNESS = Node("wit-zk1", "wit", "10.77.3.41")
LAYOUT = Layout(
    sites=(Site("dc1", "10.77.1.10"), Site("dc2", "10.77.2.10"), Site("wit")),
    databases=DATABASES,
    applications=APPLICATIONS,
    zookeepers=(*APPLICATIONS, WITNESS),
)
API = ApiState(Serves.WRITES, "dc1", "dc1-app1", "10.77.1.21", "primary", timeline=3, lag_bytes=0)


def standby_row(name, **changes):
    row = Standby(name, "streaming", "sync", lag_bytes=0, replay_lag_bytes=0, replay_lag_s=None)
    return replace(row, **changes)


STANDBYS = (
    standby_row("dc1-db2"),
    standby_row("dc2-db1"),
    standby_row("dc2-db2", sync_state="potential"),
)


def state(role=Role.STANDBY, **changes):
    found = DatabaseState(
        role=role,
        timeline=3,
        flush_lsn=4096,
        replay_lsn=4096,
        replay_lag_s=None if role is Role.PRIMARY else 0.0,
        synchronous_standby_names="2 (dc1-db2,dc2-db1)" if role is Role.PRIMARY else "",
        standbys=STANDBYS if role is Role.PRIMARY else (),
    )
    return replace(found, **changes)


def member(role=Role.STANDBY, **changes):
    found = PatroniMember(
        role=role,
        state="running",
        timeline=3,
        replication_state=None if role is Role.PRIMARY else "streaming",
        pending_restart=False,
        paused=False,
        dcs_last_seen=None,
        version="4.1.5",
        leader_seen="dc1-db1",
        switchover_scheduled=False,
    )
    return replace(found, **changes)


def database(node):
    role = Role.PRIMARY if node.name == "dc1-db1" else Role.STANDBY
    return DatabaseView(node, member(role), state(role))


def zookeeper(node):
    mode = "leader" if node is WITNESS else "follower"
    return ZooKeeperView(node, ZooKeeperState(mode, "3.9.3", 0x100000023, 0.4, 0, 6, 4))


def application(node):
    servers = tuple(
        ProxyServer("primary", each.name, each.name == "dc1-db1", "UP", 0, 0) for each in DATABASES
    )
    return ApplicationView(node, API, servers, ())


def healthy():
    return EstateView(
        at=datetime(2025, 11, 21, 20, 40, tzinfo=UTC),
        layout=LAYOUT,
        databases=tuple(database(node) for node in DATABASES),
        zookeepers=tuple(zookeeper(node) for node in LAYOUT.zookeepers),
        coordination=Coordination(
            leader=LeaderKey("dc1-db1", 0x1000012, 0, 77),
            sync_leader="dc1-db1",
            sync_standbys=("dc1-db2", "dc2-db1"),
            config={"ttl": 20},
            history=(),
        ),
        applications=tuple(application(node) for node in APPLICATIONS),
        entries=tuple(EntryView(site.name, site.entry, API) for site in LAYOUT.sites if site.entry),
    )


def with_database(view, name, **changes):
    """The estate with one database host found otherwise."""
    found = tuple(replace(each, **changes) if each.node.name == name else each for each in view.databases)
    return replace(view, databases=found)


def silent():
    """The estate when nothing answers at all."""
    return replace(
        healthy(),
        databases=tuple(DatabaseView(node, SILENT, SILENT) for node in DATABASES),
        zookeepers=tuple(ZooKeeperView(node, SILENT) for node in LAYOUT.zookeepers),
        coordination=SILENT,
        applications=tuple(ApplicationView(node, SILENT, SILENT, SILENT) for node in APPLICATIONS),
        entries=tuple(EntryView(site.name, site.entry, SILENT) for site in LAYOUT.sites if site.entry),
    )
