"""When Patroni's loop begins that finds PostgreSQL ended.

It looks once a loop, so half a second late on average. The kernel tells at once (pidfd_open(2)), and
Patroni's own loop then decides as it always does.
"""

import functools
import os
import select
import threading

from patroni import postgresql  # before patroni.ha, which cannot be the first to import it
from patroni.ha import Ha

from patroni_changes.hooks import introduce

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
    """Wakes Patroni's loop when a postmaster that it knows of has ended. Decides nothing."""

    def __init__(self) -> None:
        self._ha: Ha | None = None
        self._watched: set[int] = set()

    def knows(self, ha: Ha) -> None:
        self._ha = ha

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
    introduce(watchman)
    make_process = PostmasterProcess.__init__

    @functools.wraps(make_process)
    def telling_process(self: PostmasterProcess, pid: int) -> None:
        make_process(self, pid)
        if not self.is_single_user:
            watchman.watch(self.pid)

    PostmasterProcess.__init__ = telling_process
