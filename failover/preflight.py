"""What must hold before a planned switch: each check with its live figure. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from failover.inspection import Inspection, Server
from failover.model import Unreachable, ZooKeeperState
from failover.observe.problems import divergence
from failover.panel import Panel
from failover.stall import LiveFigures

# A pause of pools waits for what runs, and gives up after a second (pool_gate).
LONGEST_TRANSACTION_S = 1.0
# What the candidate receives or replays while clients wait.
LAG_BYTES = 16 * 1024 * 1024
DIFFERENCES_SHOWN = 5


@dataclass(frozen=True)
class Item:
    """One check: what it is about, whether it holds, and the figure that says so."""

    name: str
    holds: bool
    figure: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.holds else 'FAIL'} {self.name}: {self.figure}"


@dataclass(frozen=True)
class Ends:
    """Who hands over to whom."""

    leader: str
    candidate: str


def check(panel: Panel, ends: Ends, found: Inspection) -> tuple[Item, ...]:
    """All checks, in the order in which an operator reads them."""
    return (
        *_coordination(panel, ends, found),
        *_servers(ends, found),
        _pools(panel),
    )


def summary(items: tuple[Item, ...]) -> str:
    """What fails, or that all is well with the figures."""
    failed = [item for item in items if not item.holds]
    return "; ".join(f"{item.name}: {item.figure}" for item in failed or items)


def _coordination(panel: Panel, ends: Ends, found: Inspection) -> Iterator[Item]:
    cluster = panel.picture.cluster
    leader = panel.picture.leader or "nobody"
    members = sorted(cluster.sync.members) if cluster else []
    yield Item("primary", leader == ends.leader, f"the leader key is {leader}'s")
    yield Item("synchronous set", bool(members), ", ".join(members) or "nobody is synchronous")
    paused = cluster is not None and cluster.paused
    yield Item("Patroni", not paused, "in maintenance mode (pause)" if paused else "decides")
    pending = cluster is not None and cluster.failover_pending
    yield Item("no other order", not pending, "an order to switch is pending" if pending else "none pending")
    yield _zookeeper(found)
    yield _trees(found)


def _zookeeper(found: Inspection) -> Item:
    serving = [name for name, state in found.zookeepers.items() if isinstance(state, ZooKeeperState)]
    silent = sorted(set(found.zookeepers) - set(serving))
    figure = f"{len(serving)} of {len(found.zookeepers)} servers serve"
    return Item("ZooKeeper quorum", not silent, f"{figure}{'; not: ' + ', '.join(silent) if silent else ''}")


def _trees(found: Inspection) -> Item:
    """Who reads old keys of a diverged server follows whom they name, and a switch waits for it in vain."""
    states = sorted(
        (name, state) for name, state in found.zookeepers.items() if isinstance(state, ZooKeeperState)
    )
    diverged = [f"{name}: {told}" for name, state in states if (told := divergence(state))]
    figure = "; ".join(diverged) or f"{len(states)} servers, no digest mismatch"
    return Item("ZooKeeper trees", not diverged, figure)


def _servers(ends: Ends, found: Inspection) -> Iterator[Item]:
    primary, standby = found.server(ends.leader), found.server(ends.candidate)
    for host, server in ((ends.leader, primary), (ends.candidate, standby)):
        if isinstance(server, Unreachable):
            yield Item(host, holds=False, figure=server.reason)
    if isinstance(primary, Server) and isinstance(standby, Server):
        yield from _compared(ends, primary, standby)


def _compared(ends: Ends, primary: Server, standby: Server) -> Iterator[Item]:
    yield Item(
        "roles",
        not primary.standby and standby.standby,
        f"{ends.leader} {_role(primary)}, {ends.candidate} {_role(standby)}",
    )
    yield _stream(ends, primary)
    yield Item(
        "replay", standby.replay_bytes <= LAG_BYTES, f"{standby.replay_bytes} bytes received and not replayed"
    )
    same = primary.timeline == standby.timeline
    yield Item("timeline", same, f"{primary.timeline} and {standby.timeline}")
    yield Item("version", primary.version == standby.version, f"{primary.version} and {standby.version}")
    yield _settings(primary, standby)
    longest = primary.longest_transaction_s
    yield Item(
        "no long transaction", longest <= LONGEST_TRANSACTION_S, f"the oldest runs for {longest:.1f} s"
    )


def _role(server: Server) -> str:
    return "standby" if server.standby else "primary"


def _stream(ends: Ends, primary: Server) -> Item:
    stream = primary.streams.get(ends.candidate)
    if stream is None:
        return Item("lag", holds=False, figure=f"{ends.candidate} does not stream from {ends.leader}")
    fit = stream.state == "streaming" and stream.lag_bytes is not None and stream.lag_bytes <= LAG_BYTES
    lag = "unknown" if stream.lag_bytes is None else f"{stream.lag_bytes} bytes"
    return Item("lag", fit, f"{ends.candidate} is {stream.state}, {lag} behind")


def _settings(primary: Server, standby: Server) -> Item:
    names = sorted({*primary.settings, *standby.settings})
    differing = [name for name in names if primary.settings.get(name) != standby.settings.get(name)]
    shown = ", ".join(
        f"{name} ({primary.settings.get(name)} and {standby.settings.get(name)})"
        for name in differing[:DIFFERENCES_SHOWN]
    )
    return Item("settings", not differing, shown or f"{len(names)} alike")


def _pools(panel: Panel) -> Item:
    """A host without an agent has nobody to pause its pool: its clients would meet the switch unprepared."""
    pools = {
        view.observer: view.pool for view in panel.fresh if view.pool is not None and view.pool.reachable
    }
    hosts = [node.name for node in panel.picture.layout.applications if not panel.maintained(node.name)]
    missing = [host for host in hosts if host not in pools]
    paused = [host for host, pool in pools.items() if pool.paused]
    figure = f"{len(pools)} of {len(hosts)} can be paused"
    figure += f"; not: {', '.join(missing)}" if missing else ""
    figure += f"; paused now: {', '.join(paused)}" if paused else ""
    return Item("pools", not missing and not paused, figure)


def figures(ends: Ends, found: Inspection) -> LiveFigures | None:
    """What the expected stall is computed from; None if one of the two servers could not be read."""
    primary, standby = found.server(ends.leader), found.server(ends.candidate)
    if isinstance(primary, Unreachable) or isinstance(standby, Unreachable):
        return None
    stream = primary.streams.get(ends.candidate)
    return LiveFigures(
        longest_transaction_s=min(primary.longest_transaction_s, LONGEST_TRANSACTION_S),
        wal_bytes_per_s=primary.unflushed_bytes / max(primary.checkpoint_age_s, 1.0),
        lag_bytes=(stream.lag_bytes or 0) if stream else 0,
        round_trip_s=(stream.flush_s or 0.0) if stream else 0.0,
    )
