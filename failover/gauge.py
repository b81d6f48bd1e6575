"""Measures the exposure: the agent in office samples the primary and keeps the track in ZooKeeper.

There it outlives the primary, the site and the agent: a successor goes on with it, and `twinsite failover`
reads from it what a candidate would lack.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from kazoo.client import KazooClient

from failover.estate_reader import EstateReader
from failover.exposure import Exposure, Sample, Track, of_site
from failover.leadership import Leadership
from failover.model import Layout, Node
from failover.views import ClusterRecord
from failover.znodes import document

log = logging.getLogger(__name__)

EXPOSURE = "/twinsite/exposure"
VERSION = 1

_SAMPLE = """
SELECT extract(epoch FROM clock_timestamp())::float8,
       ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::integer,
       (pg_current_wal_flush_lsn() - '0/0')::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       (SELECT coalesce(json_object_agg(application_name, (flush_lsn - '0/0')::bigint), '{}')
          FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn IS NOT NULL)
 WHERE NOT pg_is_in_recovery()
"""


@dataclass(frozen=True)
class Published:
    """The track as it lies in ZooKeeper, with who measured it and when (seconds since 1970)."""

    at: float
    by: str
    epoch: int
    track: Track

    def to_bytes(self) -> bytes:
        return json.dumps({"version": VERSION, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Published:
        """Raises ValueError if it is none, or another version's."""
        try:
            raw = json.loads(data)
            if raw["version"] != VERSION:
                raise ValueError(f"exposure has version {raw['version']}, this program reads {VERSION}")
            held = raw["track"]
            track = Track(
                primary=str(held["primary"]),
                samples=tuple(Sample(**each) for each in held["samples"]),
                copies={str(host): int(lsn) for host, lsn in held["copies"].items()},
                exposed_from=Sample(**held["exposed_from"]) if held["exposed_from"] else None,
            )
            return cls(float(raw["at"]), str(raw["by"]), int(raw["epoch"]), track)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not an exposure: {error!r}") from error


def published(client: KazooClient) -> Published | None:
    """What was measured last; None if nothing was, or not by a version that this one can read."""
    return document(client, EXPOSURE, Published.from_bytes)


def sites(layout: Layout) -> Mapping[str, str]:
    return {node.name: node.site for node in layout.databases}


def guaranteed(cluster: ClusterRecord, site_of: Mapping[str, str]) -> bool:
    """A synchronous member stands in another site than the holder of the key."""
    home = site_of.get(cluster.leader.name) if cluster.leader else None
    return any(site_of.get(member) not in (None, home) for member in cluster.sync.members)


class Gauge:
    """One measurement a call, from one thread, in office only. Keeps its session with the primary."""

    def __init__(
        self,
        client: KazooClient,
        leadership: Leadership,
        layout: Layout,
        *,
        name: str,
        conninfo: Callable[[str], str],
        tell: Callable[[str], None],
    ) -> None:
        self._client, self._leadership, self._name = client, leadership, name
        self._layout, self._site_of = layout, sites(layout)
        self._conninfo, self._tell = conninfo, tell
        self._reader = EstateReader(client)
        self._epoch = -1
        self._track = Track()
        self._session: tuple[str, psycopg.Connection[tuple[Any, ...]]] | None = None

    def measure(self) -> None:
        """Raises kazoo's errors and JournalError; a primary that does not answer is no error."""
        if self._leadership.epoch != self._epoch:
            self._begin()
        cluster = self._reader.cluster()
        node = self._layout.database(cluster.leader.name) if cluster.leader else None
        row = self._ask(node) if node else None
        if node is None or row is None:
            return  # the last sample stays: it is what the primary is known to have had
        *figures, copies = row
        before = self._track
        self._track = before.after(
            node.name, Sample(*figures), copies, guaranteed=guaranteed(cluster, self._site_of)
        )
        self._publish()
        self._tell_of(before, self._track)

    def exposure(self) -> Exposure:
        """Of the primary's site, as measured last."""
        return of_site(self._track, self._site_of.get(self._track.primary, ""), self._site_of)

    @property
    def exposed(self) -> bool:
        return self._track.exposed_from is not None

    def _begin(self) -> None:
        held = published(self._client)
        self._track, self._epoch = held.track if held else Track(), self._leadership.epoch

    def _publish(self) -> None:
        transaction = self._leadership.stamped()
        data = Published(time.time(), self._name, self._epoch, self._track).to_bytes()
        transaction.set_data(EXPOSURE, data)
        self._leadership.commit(transaction)

    def _tell_of(self, before: Track, after: Track) -> None:
        """The beginning and the end of an exposure, for the history."""
        site = self._site_of.get(after.primary, "")
        if before.exposed_from is None and after.exposed_from is not None:
            self._tell(f"exposed: what {after.primary} commits has copies in {site} only")
        begun, ended = before.exposed_from, after.last
        if begun is not None and after.exposed_from is None and ended is not None:
            same = (before.primary, begun.timeline) == (after.primary, ended.timeline)
            writes = f"{ended.writes - begun.writes} writes, {ended.lsn - begun.lsn:,} bytes" if same else "?"
            self._tell(f"no longer exposed: it lasted {ended.at - begun.at:.1f} s, with {writes}")

    def _ask(self, node: Node) -> tuple[Any, ...] | None:
        try:
            return self._connected(node).execute(_SAMPLE).fetchone()
        except psycopg.Error as error:
            log.info("no sample of %s: %s", node.name, error)
            self._drop()
            return None

    def _connected(self, node: Node) -> psycopg.Connection[tuple[Any, ...]]:
        if self._session is not None and self._session[0] == node.name:
            return self._session[1]
        self._drop()
        connection = psycopg.connect(
            self._conninfo(node.address),
            autocommit=True,
            connect_timeout=2,
            options="-c statement_timeout=1s",
            tcp_user_timeout=2000,
        )
        self._session = (node.name, connection)
        return connection

    def _drop(self) -> None:
        if self._session is not None:
            self._session[1].close()
            self._session = None
