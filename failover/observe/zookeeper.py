"""ZooKeeper: each server by its four-letter words, the cluster's keys by one client session.

Both go over TLS with the operator's certificate (docs/decisions/0202-zookeeper-access.md). The words `srvr`
and `mntr` must be on the servers' `4lw.commands.whitelist`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler

from failover.estate_reader import timeline_switch
from failover.events import Announcement, current
from failover.exposure import of_site
from failover.gauge import Published, published, sites
from failover.model import (
    Access,
    Coordination,
    Layout,
    LeaderKey,
    Node,
    Unreachable,
    ZooKeeperState,
)
from failover.observe.attempt import attempt
from failover.word_of_office import Rule, SiteExposure
from failover.znodes import PATRONI, Unanswered

PORT = 2181
_LARGEST_ANSWER = 64 * 1024
# A server that is there has shaken hands by then, on a busy machine too.
CONNECT_S = 1.0
# While nothing says that the servers are slow; five are an ensemble's round.
HASTY_CONNECT_S, SILENT_ROUND = 0.3, 5

# kazoo reports every refused connection as a warning; here refusal is a finding, not news.
_QUIET = logging.getLogger("failover.observe.kazoo")
_QUIET.setLevel(logging.CRITICAL)


class NoSessionError(OSError):
    """The ensemble gave no session within the deadline."""


class SessionLostError(OSError):
    """A session was had, and then something asked in it stayed without an answer."""


def ask_servers(
    nodes: Sequence[Node], tls: ssl.SSLContext, within_s: float
) -> dict[str, ZooKeeperState | Unreachable]:
    """What each of them says of itself, by host. All are asked at once; none is waited for longer."""

    async def answers() -> list[ZooKeeperState | Unreachable]:
        return await asyncio.gather(*(attempt(read_server(node, tls), within_s) for node in nodes))

    return dict(zip((node.name for node in nodes), asyncio.run(answers()), strict=True))


async def read_server(node: Node, tls: ssl.SSLContext) -> ZooKeeperState:
    """What one server says of itself.

    Raises:
        OSError: no connection, or no trust.
        ValueError: the server serves nobody (no quorum), or the word is not on its whitelist.
    """
    return server_from(await _word(node, "srvr", tls), await _word(node, "mntr", tls))


async def _word(node: Node, word: str, tls: ssl.SSLContext) -> str:
    reader, writer = await asyncio.open_connection(node.address, PORT, ssl=tls)
    try:
        writer.write(word.encode())
        await writer.drain()
        return (await reader.read(_LARGEST_ANSWER)).decode(errors="replace")
    finally:
        writer.close()


def server_from(srvr: str, mntr: str) -> ZooKeeperState:
    """The typed reading of `srvr` and `mntr`.

    Raises:
        ValueError: the texts are a refusal.
    """
    for answer in (srvr, mntr):
        if "not currently serving" in answer:
            raise ValueError("serves nobody: no quorum")
        if "not in the whitelist" in answer:
            raise ValueError(answer.strip())
    facts = dict(line.split("\t", 1) for line in mntr.splitlines() if "\t" in line)
    zxid = re.search(r"^Zxid: (0x[0-9a-f]+)$", srvr, re.MULTILINE)
    if zxid is None or "zk_server_state" not in facts:
        raise ValueError("the answer is not ZooKeeper's")
    synced = facts.get("zk_synced_followers")
    return ZooKeeperState(
        mode=facts["zk_server_state"],
        version=facts.get("zk_version", "").split("-")[0],
        zxid=int(zxid[1], 16),
        latency_avg_ms=float(facts.get("zk_avg_latency", 0)),
        outstanding=int(facts.get("zk_outstanding_requests", 0)),
        connections=int(facts.get("zk_num_alive_connections", 0)),
        # A float in the text of 3.9.
        synced_followers=int(float(synced)) if synced else None,
        digest_mismatches=int(float(facts.get("zk_digest_mismatches_count", 0))),
    )


async def read_coordination(layout: Layout, access: Access, deadline_s: float) -> Coordination:
    """The cluster's keys, read in one session with the ensemble.

    Raises:
        OSError: no session, or the session was lost while reading.
    """
    return await asyncio.to_thread(_read_coordination, layout, access, deadline_s)


class PromptHandler(SequentialThreadingHandler):  # type: ignore[misc] # kazoo has no types
    """Turns to the next server soon when one is silent.

    kazoo gives every connection the whole session timeout (protocol/connection.py, `_connect`): with two
    servers of a lost site on its list a client tried for eight seconds before it came back to one that lives.
    While the lost leader of the ensemble is replaced, each of them is met again in every round. A server that
    is merely slow is given its time after a whole round of silence.
    """

    def __init__(self) -> None:
        super().__init__()
        self._silent = 0
        self._carrier: socket.socket | None = None
        self._heading_for: frozenset[str] = frozenset()

    def create_connection(self, address: tuple[str, int], **kwargs: Any) -> Any:
        if self._heading_for:
            self._keep_heading(address[0])
        within_s = CONNECT_S if self._silent >= SILENT_ROUND else HASTY_CONNECT_S
        limited = {**kwargs, "timeout": min(kwargs.get("timeout") or within_s, within_s)}
        try:
            connected = super().create_connection(address=address, **limited)
        except TimeoutError:
            self._silent += 1
            raise
        self._silent = 0
        self._carrier = connected
        return connected

    def _keep_heading(self, address: str) -> None:
        """Of those on kazoo's list that come between where it was and where it is to go."""
        if address not in self._heading_for:
            raise ConnectionRefusedError(f"{address} is not where this session is heading for")
        self._heading_for = frozenset()

    def peer(self) -> str | None:
        """The address of the server that the last connection was made to; None: it is over."""
        try:
            return str(self._carrier.getpeername()[0]) if self._carrier else None
        except OSError:
            return None

    def move_to(self, addresses: Collection[str]) -> None:
        """Ends the connection, not the session; the next one is tried with one of these servers.

        The socket's own shutdown, not TLS's: `SSLSocket.shutdown` has whoever reads at that moment, kazoo's
        thread, take cipher for plain text, which it does not survive (once in 600 moves under load).
        """
        self._heading_for = frozenset(addresses)
        with suppress(OSError):
            if self._carrier:
                socket.socket.shutdown(self._carrier, socket.SHUT_RDWR)


def client_of(layout: Layout, access: Access, *, session_timeout_s: float = 4.0) -> KazooClient:
    """A client of the whole ensemble, not yet started."""
    return KazooClient(
        hosts=",".join(f"{node.address}:{PORT}" for node in layout.zookeepers),
        timeout=session_timeout_s,
        handler=PromptHandler(),
        use_ssl=True,
        ca=str(access.ca_certificate),
        certfile=str(access.certificate),
        keyfile=str(access.key),
        logger=_QUIET,
    )


def connect(layout: Layout, access: Access, deadline_s: float) -> KazooClient:
    """A started client of the whole ensemble; the caller stops and closes it.

    Raises:
        NoSessionError: no session within the deadline (seconds).
    """
    client = client_of(layout, access)
    try:
        client.start(timeout=deadline_s)
    except KazooTimeoutError:
        client.stop()
        client.close()
        raise NoSessionError(f"no session with ZooKeeper within {deadline_s:g} s") from None
    return client


@contextmanager
def session(layout: Layout, access: Access, deadline_s: float) -> Iterator[KazooClient]:
    """A session with the whole ensemble, ended with the block.

    Raises:
        NoSessionError: none within the deadline (seconds).
        SessionLostError: ZooKeeper refused or left open what the block asked.
    """
    client = connect(layout, access, deadline_s)
    try:
        yield client
    except Unanswered as error:
        raise SessionLostError(f"ZooKeeper did not answer: {error!r}") from error
    finally:
        client.stop()
        client.close()


def _read_coordination(layout: Layout, access: Access, deadline_s: float) -> Coordination:
    client = connect(layout, access, deadline_s)
    try:
        found = coordination_from(*(_get(client, key, deadline_s) for key in _KEYS))
        measured, announced = published(client), current(client)
        return replace(
            found,
            exposure=exposure_from(measured, layout) if measured else None,
            rule=rule_from(announced) if announced else None,
        )
    except Unanswered as error:
        raise OSError(f"ZooKeeper: {type(error).__name__} {error}".strip()) from error
    finally:
        client.stop()
        client.close()


def rule_from(announced: Announcement) -> Rule:
    policy = announced.policy
    return Rule(announced.by, policy.mode.value, policy.durability.value)


_KEYS = ("leader", "sync", "config", "history")
# A znode as read: its bytes, and the facts of its stat that matter (owner, version, czxid).
Znode = tuple[bytes, int, int, int]


def _get(client: KazooClient, key: str, deadline_s: float) -> Znode | None:
    try:
        data, stat = client.get_async(f"{PATRONI}/{key}").get(timeout=deadline_s)
    except NoNodeError:
        return None
    return data, stat.ephemeralOwner, stat.version, stat.czxid


def coordination_from(
    leader: Znode | None, sync: Znode | None, config: Znode | None, history: Znode | None
) -> Coordination:
    """The typed reading of Patroni's keys.

    Raises:
        ValueError: a key does not hold what Patroni writes.
    """
    holds: dict[str, Any] = _json(sync, {})
    settings: dict[str, object] = _json(config, {})
    switches: list[list[Any]] = _json(history, [])
    standbys = holds.get("sync_standby") or ""
    return Coordination(
        leader=LeaderKey(leader[0].decode(), *leader[1:]) if leader else None,
        sync_leader=holds.get("leader"),
        sync_standbys=tuple(sorted(filter(None, standbys.split(",")))),
        config=settings,
        history=tuple(timeline_switch(line) for line in switches),
    )


def exposure_from(measured: Published, layout: Layout) -> SiteExposure:
    """What the agent in office measured last, of the primary's site."""
    site_of, track = sites(layout), measured.track
    site = site_of.get(track.primary, "")
    exposure = of_site(track, site, site_of)
    return SiteExposure(
        at=datetime.fromtimestamp(measured.at, UTC),
        by=measured.by,
        primary=track.primary,
        site=site,
        exposed=track.exposed_from is not None,
        writes=exposure.records,
        seconds=exposure.seconds,
        size_bytes=exposure.size_bytes,
        basis=exposure.basis,
    )


def _json(znode: Znode | None, absent: Any) -> Any:
    return json.loads(znode[0]) if znode and znode[0] else absent
