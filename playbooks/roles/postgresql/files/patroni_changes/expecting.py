"""What Patroni does between the word that a primary will be ordered to hand over and the order.

Woken by an order, the primary's loop reads the cluster, writes its lease and asks the candidate how it is;
its demotion then starts PostgreSQL twice for an archive command that it does not use, and makes a checkpoint
in a session of its own. On busy cores that takes 0.3 to 0.4 s, in a pause that clients wait in. Meanwhile all
members' loops, once a second each, take 0.7 of a core.

So the orchestrator announces an order (failover/actuators/leader_key.py). The primary asks the candidate and
makes the checkpoint then, says in the same znode that it is prepared, and begins to stop as soon as the
order comes; the leader key is released in the moment that it can write no more and all has been confirmed
(`last_word`). All members' loops hold still: the candidate's until the key is gone, the other standbys' until
it has been there again for a moment, in which the new primary's clients come first, and none for longer than
STILL_S. The order is what binds: its transaction proves that the key is this primary's and the candidate
synchronous.

One that was not announced, or not in time, is followed by Patroni's loop, which is woken: Patroni watches no
znode that is its primary's alone, so whoever ordered by ZooKeeper had to wake every member of the cluster,
and three loops of replicas took the processor from the one that mattered.
"""

import functools
import json
import threading
import time
from contextlib import suppress
from typing import Any

import psutil
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import EventType, WatchedEvent
from kazoo.recipe.watchers import DataWatch
from patroni import postgresql as _postgresql  # noqa: F401  # before patroni.ha, which cannot be the first
from patroni.dcs import Member
from patroni.ha import Ha

from patroni_changes.giving_up import unfitness, without_archive_command
from patroni_changes.hooks import ANSWERS_WITHIN_S, in_place_of, introduce, refusals
from patroni_changes.last_word import has_said_all

# {"operation", "leader", "member"}, and with the answer "hindrance" (failover/actuators/leader_key.py).
ANNOUNCED = "/twinsite/announced"
# An announcement counts for so long. A pause of pools is given up after a second; the lease is 20, and it and
# the watchdog of a real server are kept by the loop that holds still.
STILL_S = 3.0
# So long after the new primary has taken the key the other standbys come: on two busy cores its clients' own
# first sessions took twice as long where all came at once.
COMES_AFTER_S = 0.6
# A stop that takes longer is a matter of the demotion's own.
STOPS_WITHIN_S = 10.0


class Expected:
    """An order that may come. `leader`: who shall hand over, and `candidate`: to whom."""

    def __init__(self, leader: str, candidate: str) -> None:
        self.leader, self.candidate = leader, candidate
        self.prepared = False
        self._until = time.monotonic() + STILL_S
        self._over = threading.Event()

    @property
    def in_time(self) -> bool:
        return time.monotonic() < self._until

    def hold_still(self) -> bool:
        """Whether there was a reason to."""
        left = self._until - time.monotonic()
        if left <= 0 or self._over.is_set():
            return False
        self._over.wait(left)
        return True

    def end(self) -> None:
        self._over.set()

    def watch(self, client: KazooClient, leader_path: str, member: str) -> None:
        """Ends when it is this member's turn, or when nobody can know whose it is."""

        def changed(event: WatchedEvent) -> None:
            if event.type == EventType.CREATED:
                # The old primary has nothing to do in its loop until it has stopped and follows.
                if member != self.leader:
                    threading.Timer(COMES_AFTER_S, self.end).start()
            elif event.type == EventType.NONE or (
                event.type == EventType.DELETED and member == self.candidate
            ):
                self.end()
            else:
                look()

        def look() -> None:
            client.exists_async(leader_path, watch=changed)

        look()


class Messenger:
    """Hears what is announced and ordered. Patroni prepares for the one, and follows the other."""

    def __init__(self) -> None:
        self._ha: Ha | None = None
        self._expected: Expected | None = None

    def knows(self, ha: Ha) -> None:
        self._ha = ha
        client = ha.dcs._client  # noqa: SLF001  # it has no public one
        DataWatch(client, ANNOUNCED, self._announced)
        DataWatch(client, ha.dcs.failover_path, self._ordered)

    def hold_still(self) -> bool:
        return self._expected is not None and self._expected.hold_still()

    def _announced(self, data: bytes | None, stat: Any) -> None:
        word = json.loads(data or b"{}")
        if self._expected is not None and word.get("hindrance") is not None:
            self._expected.end()
        if self._ha is None or not word or "hindrance" in word:
            return
        ha, me = self._ha, self._ha.state_handler.name
        self._expected = expected = Expected(word["leader"], word["member"])
        expected.watch(ha.dcs._client, ha.dcs.leader_path, me)  # noqa: SLF001
        if word["leader"] == me:
            # Not in kazoo's one thread for watches: it asks the candidate, and waits for a checkpoint.
            arguments = (ha, expected, word, stat.version)
            threading.Thread(target=prepare, args=arguments, name="prepare", daemon=True).start()

    def _ordered(self, data: bytes | None, stat: Any) -> None:
        """Of /failover: {"leader": who shall hand over, "member": to whom} (dcs/__init__.py, `Failover`)."""
        order, ha, expected = json.loads(data or b"{}"), self._ha, self._expected
        if ha is None or order.get("leader") != ha.state_handler.name:
            return
        prepared = expected is not None and expected.prepared and expected.in_time
        ours = prepared and order == {"leader": ha.state_handler.name, "member": expected.candidate}
        # Or Patroni is at something else, which its loop knows about.
        arguments = (ha, stat and stat.version)
        if not ours or ha._async_executor.try_run_async("switchover: demote", hand_over, arguments):  # noqa: SLF001
            if expected is not None:
                expected.end()
            ha.wakeup()


def prepare(ha: Ha, expected: Expected, word: dict[str, str | None], version: int) -> None:
    """Looks, makes a checkpoint, and answers."""
    word["hindrance"] = hindrance_of(ha, expected.candidate)
    if word["hindrance"] is None:
        ha.state_handler.checkpoint()
        expected.prepared = True
    with suppress(KazooException):  # nobody waits for it any more, or not through this session
        ha.dcs._client.set(ANNOUNCED, json.dumps(word).encode(), version=version)  # noqa: SLF001


def hindrance_of(ha: Ha, candidate: str) -> str | None:
    """Why this member must not hand over to that one; None: it may. As `Ha.is_failover_possible` has it."""
    member = ha.cluster and ha.cluster.get_member(candidate, fallback_to_leader=False)
    if not isinstance(member, Member):
        return f"{candidate} is not known here"
    if (unfit := unfitness(ha, ha.fetch_node_status(member))) is not None:
        return f"{candidate} {unfit}"
    if not ha.is_leader() or ha.is_paused():
        return "not the leader, or paused"
    return None


def hand_over(ha: Ha, order_version: int) -> bool | None:
    """Patroni's own demotion for an order, without what is done already or not needed for it.

    It waits for a loop that is under way, and loops that follow see it (`AsyncExecutor`). It sleeps by the
    second until PostgreSQL has stopped, so the key is released by a thread of its own.
    """
    server, release = ha.state_handler, Release(ha, order_version)
    if (postmaster := server.is_running()) is not None:
        arguments = (postmaster,)
        threading.Thread(target=release.await_last_word, args=arguments, name="release", daemon=True).start()
    made = in_place_of(server, checkpoint=lambda **_: None)  # when the order was announced
    with (
        made,
        without_archive_command(ha),
        in_place_of(ha, release_leader_key_voluntarily=release.by_patroni),
    ):
        return ha.demote("graceful")


class Release:
    """Of the leader key, once: as soon as PostgreSQL has nothing more to say, or later as Patroni does it.

    By then each connected standby has confirmed the shutdown checkpoint; and the candidate, as it is
    synchronous, has every acknowledged write in any case (decision 0401, item 4).
    """

    def __init__(self, ha: Ha, order_version: int) -> None:
        """`order_version`: of /failover, as it was followed."""
        self._ha, self._order_version = ha, order_version
        self._patronis = ha.release_leader_key_voluntarily
        self._lock, self._done = threading.Lock(), False

    def await_last_word(self, postmaster: psutil.Process) -> None:
        """In a thread of its own."""
        with suppress(KazooException, KazooTimeoutError):
            sync_version = self._pinned()
            server = self._ha.state_handler
            said = has_said_all(postmaster, server.data_dir, STOPS_WITHIN_S)
            if said and server.controldata().get("Database cluster state") == "shut down":
                with self._lock:
                    self._done = self._done or (sync_version is not None and self._delete(sync_version))

    def by_patroni(self, *last_lsn: int) -> None:
        """In the place of Patroni's own, which opens a new session, for which the candidate would wait."""
        with self._lock:
            if not self._done:
                self._patronis(*last_lsn)
            self._done = True

    def _pinned(self) -> int | None:
        """The version of /sync while the key is ours; None: it is not.

        The key's own pins no owner; but whoever else releases it writes /failover, and a promotion /sync.
        """
        dcs = self._ha.dcs
        client = dcs._client  # noqa: SLF001
        asked = [client.get_async(path) for path in (dcs.sync_path, dcs.leader_path)]
        sync, leader = (answer.get(timeout=ANSWERS_WITHIN_S)[1] for answer in asked)
        return int(sync.version) if leader.ephemeralOwner == client.client_id[0] else None

    def _delete(self, sync_version: int) -> bool:
        dcs = self._ha.dcs
        transaction = dcs._client.transaction()  # noqa: SLF001
        transaction.check(dcs.failover_path, self._order_version)
        transaction.check(dcs.sync_path, sync_version)
        transaction.delete(dcs.leader_path)
        return not refusals(transaction)


def tell(messenger: Messenger) -> None:
    """Have Patroni say who it is, and before each loop ask whether it is to hold still."""
    introduce(messenger)
    run_cycle = Ha.run_cycle

    @functools.wraps(run_cycle)
    def running(self: Ha) -> str:
        if messenger.hold_still():
            self.patroni.next_run = time.time()  # or the loops that it missed would follow at once
        return run_cycle(self)

    Ha.run_cycle = running
