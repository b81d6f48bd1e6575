"""When Patroni's loop begins.

When it notices that its PostgreSQL has ended: it looks once a loop, so half a second late on average. The
kernel tells at once (pidfd_open(2)), and Patroni's own loop then decides as it always does.

When it notices an order to hand over: Patroni watches neither that znode nor any other that is its primary's
alone, so whoever gave the order by ZooKeeper had to wake every member of the cluster, and three loops of
replicas took the processor from the one that mattered, in a pause that clients wait in.
"""

import functools
import json
import os
import select
import threading

from kazoo.recipe.watchers import DataWatch
from patroni import postgresql  # before patroni.ha, which cannot be the first to import it
from patroni.ha import Ha

PostmasterProcess = postgresql.postmaster.PostmasterProcess


def has_ended(pid: int, within_s: float | None) -> bool:
    """In the kernel's view, in which one that waits to be reaped has ended. None: waits for its end."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within_s)[0])
    finally:
        os.close(process)


class Watchman:
    """Wakes Patroni's loop when a postmaster that it knows of has ended, and at an order. Decides nothing."""

    def __init__(self) -> None:
        self._ha: Ha | None = None
        self._watched: set[int] = set()

    def knows(self, ha: Ha) -> None:
        self._ha = ha
        DataWatch(ha.dcs._client, ha.dcs.failover_path, self._ordered)  # noqa: SLF001  # it has no public one

    def _ordered(self, order: bytes | None, _stat: object) -> None:
        """Of /failover: {"leader": who shall hand over, "member": to whom} (dcs/__init__.py, `Failover`)."""
        if order and self._ha and json.loads(order).get("leader") == self._ha.state_handler.name:
            self._ha.wakeup()

    def watch(self, pid: int) -> None:
        """Patroni makes a new object of the same process now and then; one thread for each is enough."""
        if pid not in self._watched:
            self._watched.add(pid)
            threading.Thread(target=self._await_end, args=(pid,), name="postmaster", daemon=True).start()

    def _await_end(self, pid: int) -> None:
        has_ended(pid, within_s=None)
        self._watched.discard(pid)
        if self._ha is not None:
            self._ha.wakeup()


def tell(watchman: Watchman) -> None:
    """Have Patroni say who it is, and of which postmasters it knows."""
    make_ha, make_process = Ha.__init__, PostmasterProcess.__init__

    @functools.wraps(make_ha)
    def telling_ha(self: Ha, *args: object) -> None:
        make_ha(self, *args)
        watchman.knows(self)

    @functools.wraps(make_process)
    def telling_process(self: PostmasterProcess, pid: int) -> None:
        make_process(self, pid)
        if not self.is_single_user:
            watchman.watch(self.pid)

    Ha.__init__, PostmasterProcess.__init__ = telling_ha, telling_process
