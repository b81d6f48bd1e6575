"""Asks everyone at once and puts the answers together."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import httpx

from failover.model import (
    Access,
    ApplicationView,
    Coordination,
    DatabaseView,
    EntryView,
    EstateView,
    Layout,
    Node,
    Site,
    Unreachable,
    ZooKeeperView,
)
from failover.observe.application import API_PORT, read_api, read_pools, read_proxy
from failover.observe.attempt import attempt, http_client, tls_context
from failover.observe.patroni import read_member
from failover.observe.postgres import read_database
from failover.observe.zookeeper import read_coordination, read_server

DEADLINE_S = 3.0

Asked = TypeVar("Asked")
Found = TypeVar("Found")


def observe(layout: Layout, access: Access, *, deadline_s: float = DEADLINE_S) -> EstateView:
    """One picture of the estate. Silent peers cost the deadline (seconds) once, not each.

    Raises:
        OSError: a file of the access is missing or unreadable.
    """
    return asyncio.run(observe_async(layout, access, deadline_s=deadline_s))


async def observe_async(layout: Layout, access: Access, *, deadline_s: float = DEADLINE_S) -> EstateView:
    """The same for callers that run an event loop.

    Raises:
        OSError: a file of the access is missing or unreadable.
    """
    tls = tls_context(access)
    async with http_client(tls, deadline_s) as client:
        databases, zookeepers, applications, entries, coordination = await asyncio.gather(
            _each(layout.databases, lambda node: _database(client, access, node, deadline_s)),
            _each(layout.zookeepers, lambda node: _zookeeper(node, tls, deadline_s)),
            _each(layout.applications, lambda node: _application(client, node, deadline_s)),
            _each(
                [site for site in layout.sites if site.entry], lambda site: _entry(client, site, deadline_s)
            ),
            _coordination(layout, access, deadline_s),
        )
    return EstateView(
        at=datetime.now(UTC),
        layout=layout,
        databases=databases,
        zookeepers=zookeepers,
        coordination=coordination,
        applications=applications,
        entries=entries,
    )


async def _each(asked: Sequence[Asked], ask: Callable[[Asked], Awaitable[Found]]) -> tuple[Found, ...]:
    return tuple(await asyncio.gather(*(ask(one) for one in asked)))


async def _database(client: httpx.AsyncClient, access: Access, node: Node, deadline_s: float) -> DatabaseView:
    member, state = await asyncio.gather(
        attempt(read_member(client, node), deadline_s), attempt(read_database(node, access), deadline_s)
    )
    return DatabaseView(node, member, state)


async def _zookeeper(node: Node, tls: ssl.SSLContext, deadline_s: float) -> ZooKeeperView:
    return ZooKeeperView(node, await attempt(read_server(node, tls), deadline_s))


async def _application(client: httpx.AsyncClient, node: Node, deadline_s: float) -> ApplicationView:
    api, proxy, pools = await asyncio.gather(
        attempt(read_api(client, f"http://{node.address}:{API_PORT}"), deadline_s),
        attempt(read_proxy(client, node), deadline_s),
        attempt(read_pools(client, node), deadline_s),
    )
    return ApplicationView(node, api, proxy, pools)


async def _entry(client: httpx.AsyncClient, site: Site, deadline_s: float) -> EntryView:
    assert site.entry is not None
    return EntryView(
        site.name, site.entry, await attempt(read_api(client, f"https://{site.entry}"), deadline_s)
    )


async def _coordination(layout: Layout, access: Access, deadline_s: float) -> Coordination | Unreachable:
    # The thread below has the same deadline for each step; this one bounds them all.
    return await attempt(read_coordination(layout, access, deadline_s), 2 * deadline_s)
