"""How Patroni asks ZooKeeper for its picture of the cluster.

Which server: each of its loops reads some fifteen znodes one after the other, so where they are read decides
how long a promotion takes: at the witness 0.2 s each time, at home 0.03 (lab, witness 5 ms away). kazoo draws
a server by lot unless it is told not to, and Patroni 4.1.5 does not tell it (dcs/zookeeper.py).

In one go: those fifteen are sent together and answered in their order, as ZooKeeper does within a session.
One after the other they took 0.1 to 0.4 s on busy cores, three times in a switch that clients wait for.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from patroni import postgresql as _postgresql  # noqa: F401  # before dcs, which cannot be the first to import it
from patroni.dcs.zookeeper import ZooKeeper


def ask_in_the_order_of_the_configuration() -> None:
    """Take the first server that answers, not one by lot."""
    KazooClient.__init__ = functools.partialmethod(KazooClient.__init__, randomize_hosts=False)


class Reading(threading.local):
    """What one thread's pictures of the cluster are made of: each asks for what the last one asked for.

    `sent`: the reads of the picture in the making that are not used yet; None while there is none.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Callable[[object], None] | None]] = []
        self.sent: dict[str, Any] | None = None


def read_in_one_go() -> None:
    """Send all reads of Patroni's picture of the cluster before the first answer is waited for."""
    load, get_node, reading = ZooKeeper._postgresql_cluster_loader, ZooKeeper.get_node, Reading()  # noqa: SLF001

    @functools.wraps(load)
    def loading(self: ZooKeeper, path: str) -> object:
        reading.sent = {key: self._client.get_async(key, watch) for key, watch in reading.asked}
        reading.asked = []
        try:
            return load(self, path)
        finally:
            reading.sent = None

    @functools.wraps(get_node)
    def getting(self: ZooKeeper, key: str, watch: Callable[[object], None] | None = None) -> object:
        if reading.sent is None:
            return get_node(self, key, watch)
        reading.asked.append((key, watch))
        sent = reading.sent.pop(key, None)
        if sent is None:
            return get_node(self, key, watch)
        try:
            data, stat = sent.get()
        except NoNodeError:
            return None
        return data.decode(), stat

    ZooKeeper._postgresql_cluster_loader, ZooKeeper.get_node = loading, getting  # noqa: SLF001
