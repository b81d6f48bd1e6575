"""Patroni, tuned where it has no settings of its own.

Which ZooKeeper it asks: each of its loops reads some fifteen znodes one after the other, so where they are
read decides how long a promotion takes: at the witness 0.2 s each time, at home 0.03 (lab, witness 5 ms
away). kazoo draws a server by lot unless it is told not to, and Patroni 4.1.5 does not tell it
(dcs/zookeeper.py).

How it asks: those fifteen are sent in one go and answered in their order, as ZooKeeper does within a session.
One after the other they took 0.1 to 0.4 s on busy cores, three times in a switch that clients wait for.

What a new primary does first: it takes away the order that made it one, and only then promotes its
PostgreSQL. The other way round clients wait for one write of ZooKeeper's less (0.05 to 0.15 s).

How long it sleeps: 2 s where somebody was named to take the lock, 2 s until PostgreSQL takes a standby for
synchronous, a second between two looks whether PostgreSQL is promoted. Together they left every new primary
without any synchronous standby for 2 to 3 s, some 400 acknowledged writes on one disk alone (steady load).
Each of them ends now as soon as what it waits for is there.

When it notices that its PostgreSQL has ended: it looks once a loop, so half a second late on average. The
kernel tells at once (pidfd_open(2)), and Patroni's own loop then decides as it always does.

When it notices an order to hand over: Patroni watches neither that znode nor any other that is its primary's
alone, so whoever gave the order by ZooKeeper had to wake every member of the cluster, and three loops of
replicas took the processor from the one that mattered, in a pause that clients wait in.

Whom it takes for a synchronous standby: whoever streams and says how far it has written. So does one that
had received more of the old primary than the new one, for the second or two until it is rewound, and its
word counts there as a confirmation of WAL that it does not have: as long as the new primary is behind it,
commits are acknowledged that only the primary holds, and afterwards none is until that standby is gone
(seen once as a second pause of 2 s after a loss; docs/decisions/0205-diverged-standbys.md). What was never
sent cannot have been confirmed.

When it believes that nobody is synchronous any more: a loop that was under way when the postmaster died may
still be answered, by a session that outlives it for a moment, that no standby streams. Patroni then emptied
/sync, so that nobody could be promoted, and clients waited 14 s for the crashed server to recover (seen once
in 45 crashes). A server that has ended is not asked whom it replicates to; the next loop sees its end.

How its threads take turns: the loop that decides shares Python's lock with those that answer health checks.
"""

import functools
import inspect
import json
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.recipe.watchers import DataWatch
from patroni import postgresql  # before patroni.ha, which cannot be the first to import it
from patroni.__main__ import main
from patroni.dcs.zookeeper import ZooKeeper
from patroni.ha import Ha
from patroni.utils import polling_loop

PostmasterProcess = postgresql.postmaster.PostmasterProcess
Postgresql = postgresql.Postgresql
# Of Patroni's own query (postgresql/__init__.py, `cluster_info_query`).
STREAMS, WAS_SENT_IT = "w.state = 'streaming'", "w.flush_lsn <= w.sent_lsn"
# Between two looks whether what Patroni sleeps for is there.
LOOKS_EVERY_S = 0.1
# So long a new primary has for itself and its clients' first sessions before standbys come: on two busy cores
# clients waited 0.3 to 0.4 s longer where all came at once (lab).
COMES_AFTER_S = 0.3
# So often, for so long, a new primary without a synchronous standby looks for one.
LOOKS_FOR_STANDBYS_EVERY_S, LOOKS_FOR_STANDBYS_S = 0.3, 3.0
# Each thread may keep Python's lock for so long; 5 ms by default.
YIELDS_AFTER_S = 0.001


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


def promote_before_cleaning_up() -> None:
    """Put off what is written to /failover until the promotion has begun."""
    process_unhealthy = Ha.process_unhealthy_cluster

    @functools.wraps(process_unhealthy)
    def processing(self: Ha) -> str:
        put_off: list[functools.partial[bool]] = []
        write = self.dcs.manual_failover

        def put_off_order(*order: object, **more: object) -> bool:
            put_off.append(functools.partial(write, *order, **more))
            return True

        self.dcs.manual_failover = put_off_order
        try:
            return process_unhealthy(self)
        finally:
            del self.dcs.manual_failover
            for writing in put_off:
                writing()

    Ha.process_unhealthy_cluster = processing


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


def standbys_are_synchronous(ha: Ha) -> bool:
    """PostgreSQL takes for synchronous all that it was told to, whoever else streams by now."""
    ha.state_handler.reset_cluster_info_state(None)
    found = ha.state_handler.sync_handler.current_state(ha.cluster)
    return bool(found.sync) and found.sync == found.sync_confirmed


def await_promotion(self: Postgresql, wait_seconds: int) -> bool | None:
    """As Patroni's, which looks once a second."""
    for _ in polling_loop(wait_seconds, LOOKS_EVERY_S):
        if self.controldata().get("Database cluster state") == "in production":
            self.set_role(postgresql.PostgresqlRole.PRIMARY)
            self.promoted_at = time.monotonic()
            return True
    return None


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
    process_sync = naps.end(Ha.process_sync_replication, standbys_are_synchronous)
    Ha.process_sync_replication = looking_again_soon(process_sync)
    Postgresql._wait_promote = await_promotion  # noqa: SLF001


def keep_synchronous_ones_of_the_dead() -> None:
    """Leave /sync as it is while the postmaster has ended."""
    process_sync = Ha.process_sync_replication

    @functools.wraps(process_sync)
    def processing(self: Ha) -> None:
        postmaster = self.state_handler.is_running()
        if postmaster is not None and not has_ended(postmaster.pid, within_s=0):
            process_sync(self)

    Ha.process_sync_replication = processing


def believe_only_what_was_sent() -> None:
    """Leave diverged standbys out of what Patroni chooses synchronous ones from.

    Raises RuntimeError when this is a Patroni that asks otherwise.
    """
    ask = Postgresql.cluster_info_query.fget
    if STREAMS not in inspect.getsource(ask):
        raise RuntimeError("this Patroni chooses synchronous standbys by another query: see run_patroni.py")

    @functools.wraps(ask)
    def asking(self: Postgresql) -> str:
        return ask(self).replace(STREAMS, f"{STREAMS} AND {WAS_SENT_IT}")

    Postgresql.cluster_info_query = property(asking)


if __name__ == "__main__":
    sys.setswitchinterval(YIELDS_AFTER_S)
    # In the order of the configuration.
    KazooClient.__init__ = functools.partialmethod(KazooClient.__init__, randomize_hosts=False)
    tell(Watchman())
    believe_only_what_was_sent()
    read_in_one_go()
    promote_before_cleaning_up()
    sleep_no_longer_than_needed()
    keep_synchronous_ones_of_the_dead()  # last: it keeps the others from asking the dead
    sys.exit(main())
