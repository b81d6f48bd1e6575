"""The orchestrator's agents, as ZooKeeper knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient

from failover.drills.model import OrchestratorMode
from failover.drills.ports import PortError
from failover.estate_reader import VIEWS
from failover.events import current
from failover.journal import Entry
from failover.journal_store import JournalReader
from failover.leadership import holder
from failover.model import Access, Layout
from failover.observe.zookeeper import NoSessionError, SessionLostError, session
from failover.znodes import children

_SESSION_WITHIN_S = 5.0


class Agents:
    """Each question is a session of its own: drills ask seldom, and take the ensemble down in between."""

    def __init__(self, layout: Layout, access: Access) -> None:
        self._layout, self._access = layout, access

    def mode(self) -> OrchestratorMode:
        with self._session() as client:
            announced = current(client) if holder(client) is not None else None
        return OrchestratorMode(announced.policy.mode) if announced else OrchestratorMode.STOPPED

    def hosts(self) -> tuple[str, ...]:
        nodes = (*self._layout.applications, *self._layout.zookeepers)
        return tuple(dict.fromkeys(node.name for node in nodes))

    def holder(self) -> str | None:
        with self._session() as client:
            return holder(client)

    def missing(self) -> tuple[str, ...]:
        with self._session() as client:
            present, in_office = children(client, VIEWS), holder(client)
        if not present:
            return ()
        away = tuple(f"the agent on {host} is away" for host in self.hosts() if host not in present)
        return away if in_office else (*away, "no agent is in office")

    def operations(self) -> tuple[Entry, ...]:
        with self._session() as client:
            return JournalReader(client).entries()

    @contextmanager
    def _session(self) -> Iterator[KazooClient]:
        """Raises PortError: no session, or it was lost while asking."""
        try:
            with session(self._layout, self._access, _SESSION_WITHIN_S) as client:
                yield client
        except (NoSessionError, SessionLostError) as error:
            raise PortError(str(error)) from error
