"""What an old primary does first, and how long an old and a new one sleep.

First: Patroni tells ZooKeeper how far it has written before it looks whether it is to hand over, and
again when it has. Clients wait for the first of the two (one write of ZooKeeper's, two questions to
PostgreSQL), and nobody reads it.

Sleep: 2 s where somebody was named to take the lock, 2 s until PostgreSQL takes a standby for synchronous, a
second between two looks whether PostgreSQL is promoted. Together they left every new primary without any
synchronous standby for 2 to 3 s, some 400 acknowledged writes on one disk alone (steady load). Each of them
ends now as soon as what it waits for is there.
"""

import functools
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kazoo.exceptions import KazooException
from patroni import postgresql  # before patroni.ha, which cannot be the first to import it
from patroni.collections import CaseInsensitiveSet
from patroni.ha import Ha
from patroni.utils import polling_loop

Postgresql = postgresql.Postgresql
# Between two looks whether what Patroni sleeps for is there.
LOOKS_EVERY_S = 0.1
# So long a new primary has for itself and its clients' first sessions before standbys come: on two busy cores
# clients waited 0.3 to 0.4 s longer where all came at once (lab).
COMES_AFTER_S = 0.3
# So often, for so long, a new primary without a synchronous standby looks for one.
LOOKS_FOR_STANDBYS_EVERY_S, LOOKS_FOR_STANDBYS_S = 0.3, 3.0


def hand_over_before_telling() -> None:
    """Leave /status as it is in the loop that finds an order to hand over."""
    update_lock = Ha.update_lock

    @functools.wraps(update_lock)
    def updating(self: Ha, update_status: bool = False) -> bool:  # as Patroni calls it
        order = self.cluster.failover
        ordered = order is not None and order.leader == self.state_handler.name and not order.scheduled_at
        return update_lock(self, update_status and not ordered)

    Ha.update_lock = updating


class Nap(threading.local):
    """What this thread would sleep for; None: for the time alone."""

    def __init__(self) -> None:
        self.until: Callable[[], bool] | None = None
        self.at_least_s = 0.0


class Naps:
    """In the place of `time` in patroni.ha."""

    def __init__(self) -> None:
        self._nap = Nap()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        until, began = self._nap.until, time.monotonic()
        if until is None:
            time.sleep(seconds)
            return
        time.sleep(min(self._nap.at_least_s, seconds))
        while (left := began + seconds - time.monotonic()) > 0 and not until():
            time.sleep(min(LOOKS_EVERY_S, left))

    def end(
        self, method: Callable[[Ha], Any], until: Callable[[Ha], bool], at_least_s: float = 0.0
    ) -> Callable[[Ha], Any]:
        """That method, whose sleeps end as soon as this holds."""

        @functools.wraps(method)
        def napping(ha: Ha) -> Any:
            self._nap.until, self._nap.at_least_s = functools.partial(until, ha), at_least_s
            try:
                return method(ha)
            finally:
                self._nap.until = None

        return napping


def lock_is_taken(ha: Ha) -> bool:
    try:
        return ha.dcs._client.exists(ha.dcs.leader_path) is not None  # noqa: SLF001
    except KazooException:
        return False


def standbys_are_synchronous_or_gone(ha: Ha) -> bool:
    """PostgreSQL takes for synchronous all that it was told to, whoever else streams by now; or never will.

    Of two standbys behind a link that was cut the second fell silent just when it was named in the place of
    the first (once in five cuts): commits waited for it for as long as Patroni slept, two seconds.
    """
    server = ha.state_handler
    server.reset_cluster_info_state(None)
    found = server.sync_handler.current_state(ha.cluster)
    there = CaseInsensitiveSet(sender["application_name"] for sender in server.pg_stat_replication())
    return bool(found.sync) and (found.sync == found.sync_confirmed or not found.sync <= there)


def await_promotion(self: Postgresql, wait_seconds: int) -> bool | None:
    """As Patroni's, which looks once a second; and notes when, and at which WAL, the timeline began."""
    for _ in polling_loop(wait_seconds, LOOKS_EVERY_S):
        if self.controldata().get("Database cluster state") == "in production":
            self.set_role(postgresql.PostgresqlRole.PRIMARY)
            self.promoted_at = time.monotonic()
            self.timeline_began = began_at(self)
            return True
    return None


def began_at(server: Postgresql) -> int | None:
    """The newest timeline, in bytes of WAL; None where no history tells."""
    known = (int(path.stem, base=16) for path in Path(server.wal_dir).glob("*.history"))
    history = server.get_history(max(known, default=0))
    return history[-1][1] if history else None


def looking_again_soon(process_sync: Callable[[Ha], None]) -> Callable[[Ha], None]:
    """A new primary's next loop comes early while it has no synchronous standby: each write is exposed."""

    @functools.wraps(process_sync)
    def processing(ha: Ha) -> None:
        process_sync(ha)
        server = ha.state_handler
        age_s = time.monotonic() - getattr(server, "promoted_at", float("-inf"))
        if age_s < LOOKS_FOR_STANDBYS_S and not server.sync_handler.current_state(ha.cluster).sync:
            threading.Timer(LOOKS_FOR_STANDBYS_EVERY_S, ha.wakeup).start()

    return processing


def sleep_no_longer_than_needed() -> None:
    """End Patroni's fixed sleeps as soon as what they are for is there."""
    naps = Naps()
    sys.modules[Ha.__module__].time = naps
    Ha.process_unhealthy_cluster = naps.end(Ha.process_unhealthy_cluster, lock_is_taken, COMES_AFTER_S)
    process_sync = naps.end(Ha.process_sync_replication, standbys_are_synchronous_or_gone)
    Ha.process_sync_replication = looking_again_soon(process_sync)
    Postgresql._wait_promote = await_promotion  # noqa: SLF001
