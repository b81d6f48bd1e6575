"""When Patroni's loop begins that finds PostgreSQL ended, or a standby gone.

It looks once a loop, so half a second late on average. The kernel tells at once (pidfd_open(2)), and
Patroni's own loop then decides as it always does. Commits wait for a synchronous standby that is silent until
its walsender gives up, and then until the loop that no longer counts on it.
"""

import functools
import os
import select
import threading
from typing import Any

from patroni import postgresql  # before patroni.ha, which cannot be the first to import it
from patroni.ha import Ha

from patroni_changes.hooks import introduce

Postgresql, PostmasterProcess = postgresql.Postgresql, postgresql.postmaster.PostmasterProcess


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
    """Wakes Patroni's loop when a postmaster or walsender that it knows of has ended. Decides nothing."""

    def __init__(self) -> None:
        self._ha: Ha | None = None
        self._watched: set[int] = set()

    def knows(self, ha: Ha) -> None:
        self._ha = ha

    def watch(self, pid: int, *, unless_busy: bool = False) -> None:
        """`unless_busy`: its end is no news while Patroni stops or starts PostgreSQL.

        Patroni makes a new object of the same process now and then; one thread for each is enough.
        """
        if pid not in self._watched:
            self._watched.add(pid)
            threading.Thread(target=self._await_end, args=(pid, unless_busy), name="end", daemon=True).start()

    def _await_end(self, pid: int, unless_busy: bool) -> None:
        has_ended(pid, within_s=None)
        self._watched.discard(pid)
        if self._ha is not None and not (unless_busy and self._ha._async_executor.busy):  # noqa: SLF001
            self._ha.wakeup()


def tell(watchman: Watchman) -> None:
    """Have Patroni say who it is, and of which postmasters and walsenders it knows."""
    introduce(watchman)
    make_process, look = PostmasterProcess.__init__, Postgresql.pg_stat_replication

    @functools.wraps(make_process)
    def telling_process(self: PostmasterProcess, pid: int) -> None:
        make_process(self, pid)
        if not self.is_single_user:
            watchman.watch(self.pid)

    @functools.wraps(look)
    def looking(self: Postgresql) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = look(self)
        for sender in found:
            watchman.watch(sender["pid"], unless_busy=True)
        return found

    PostmasterProcess.__init__, Postgresql.pg_stat_replication = telling_process, looking
