"""What the elected agent reads from ZooKeeper for one decision: all views, and Patroni's own record."""

from __future__ import annotations

import json
import logging
from typing import Any

from kazoo.client import KazooClient

from failover.leadership import ROOT
from failover.model import TimelineSwitch
from failover.views import AgentView, ClusterRecord, LeaderKey, SyncKey, ViewError, decode
from failover.znodes import PATRONI, Node, children, content, read

log = logging.getLogger(__name__)

VIEWS = f"{ROOT}/views"


class EstateReader:
    """Reads many znodes in one round trip. kazoo's exceptions pass: the caller stops acting on them."""

    def __init__(self, client: KazooClient, scope: str = PATRONI) -> None:
        self._client = client
        self._scope = scope
        self._decoded: dict[str, tuple[int, AgentView | None]] = {}

    def views(self) -> tuple[AgentView, ...]:
        """All published views that can be read; one of another version is left out and logged."""
        names = children(self._client, VIEWS)
        found = read(self._client, *(f"{VIEWS}/{name}" for name in names))
        self._decoded = {
            name: self._decode(name, node) for name, node in zip(names, found, strict=True) if node
        }
        return tuple(view for _, view in self._decoded.values() if view)

    def _decode(self, name: str, node: Node) -> tuple[int, AgentView | None]:
        """Each publication is decoded once. Views are looked at more often than they are published."""
        data, stat = node
        known = self._decoded.get(name)
        return known if known and known[0] == stat.mzxid else (stat.mzxid, _view(data))

    def observers(self) -> tuple[str, ...]:
        """Agents with a session."""
        return children(self._client, VIEWS)

    def leader(self) -> str | None:
        """Who holds the leader key."""
        (leader,) = read(self._client, f"{self._scope}/leader")
        return leader[0].decode() if leader else None

    def history(self) -> tuple[TimelineSwitch, ...]:
        """Patroni's record of the timelines before the primary's, oldest first. Raises ValueError."""
        lines: list[list[Any]] = json.loads(content(self._client, f"{self._scope}/history") or "[]")
        return tuple(timeline_switch(line) for line in lines)

    def cluster(self) -> ClusterRecord:
        keys = ("leader", "sync", "config", "failover")
        leader, sync, config, failover = read(self._client, *(f"{self._scope}/{key}" for key in keys))
        members = children(self._client, f"{self._scope}/members")
        return record(leader, sync, config, failover, members)


def timeline_switch(line: list[Any]) -> TimelineSwitch:
    """[timeline, lsn, reason, time, new leader]; the last two are there since Patroni 1.6 and 2.0."""
    timeline, lsn, _reason, *rest = line
    at, leader = (*rest, None, None)[:2]
    return TimelineSwitch(timeline=int(timeline), lsn=int(lsn), at=at, leader=leader)


def _view(data: bytes) -> AgentView | None:
    try:
        return decode(data)
    except ViewError as error:
        log.warning("%s", error)
        return None


def record(
    leader: Node | None,
    sync: Node | None,
    config: Node | None,
    failover: Node | None,
    members: tuple[str, ...],
) -> ClusterRecord:
    """Patroni's znodes as one record."""
    return ClusterRecord(
        leader=LeaderKey(leader[0].decode(), leader[1].ephemeralOwner) if leader else None,
        sync=sync_key(sync),
        members=frozenset(members),
        paused=bool(_json(config).get("pause", False)),
        failover_pending=bool(_json(failover)),
        sync_wanted=int(_json(config).get("synchronous_node_count") or 1),
    )


def sync_key(sync: Node | None) -> SyncKey:
    """A missing or empty /sync has no members, a missing one version -1."""
    held = _json(sync)
    names = str(held.get("sync_standby") or "")
    return SyncKey(
        leader=held.get("leader"),
        members=frozenset(name.strip() for name in names.split(",") if name.strip()),
        version=sync[1].version if sync else -1,
    )


def _json(node: Node | None) -> dict[str, Any]:
    """A znode's object; {} for what is missing or no object, as Patroni reads it."""
    try:
        raw = json.loads(node[0]) if node and node[0] else {}
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}
