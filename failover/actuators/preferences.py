"""What is preferred: a site, noted in ZooKeeper; which standbys are synchronous, by Patroni's settings."""

from __future__ import annotations

from collections.abc import Callable

from kazoo.client import KazooClient

from failover.actuators.patroni import Patroni
from failover.actuators.ports import EffectRefusedError
from failover.leadership import ROOT, Leadership
from failover.znodes import text

PREFERRED = f"{ROOT}/preferred-site"


class PreferredSite:
    """The site in which operators want the primary. Written under our epoch, read by everybody."""

    def __init__(self, client: KazooClient, leadership: Leadership) -> None:
        self._client, self._leadership = client, leadership

    def prepare(self) -> None:
        self._client.ensure_path(PREFERRED)

    def prefer_site(self, site: str) -> str:
        transaction = self._leadership.stamped()
        transaction.set_data(PREFERRED, site.encode())
        self._leadership.commit(transaction)
        return f"{site} is preferred"

    def preferred(self) -> str | None:
        return preferred_site(self._client)


def preferred_site(client: KazooClient) -> str | None:
    """None: nobody has said."""
    return text(client, PREFERRED)


class Synchronous:
    """Makes a standby synchronous by making all of them so.

    Patroni's `sync_priority` tag would single one out, but stands in a file of each database host and needs a
    reload there; how many are synchronous is one setting of the whole cluster. Until it is restored, a commit
    waits for every standby.
    """

    def __init__(self, patroni: Patroni, hosts: tuple[str, ...], leader: Callable[[], str | None]) -> None:
        self._patroni, self._hosts, self._leader = patroni, hosts, leader

    def prefer(self, *, host: str) -> str:  # noqa: ARG002  # all of them, it among them
        return self._set(len(self._hosts) - 1)

    def restore(self, *, count: int) -> str:
        return self._set(count)

    def _set(self, count: int) -> str:
        leader = self._leader()
        if leader is None:
            raise EffectRefusedError("nobody holds the leader key")
        return self._patroni.configure(host=leader, changes={"synchronous_node_count": count})
