"""What Patroni does when the primary that it keeps has crashed, and another shall take over.

By itself it waits until every member has said how it is, starts PostgreSQL twice for an archive command that
it does not use, and opens a new session with ZooKeeper to be rid of the leader key. Then each synchronous
standby asks all the others how they are before it takes the key. On busy cores that is 0.5 to 0.8 s.

One member that may take over is enough. The first that answers so is named when the key is released, as the
orchestrator does it for a primary that is lost (decision 0401, item 4): it takes the key without asking
anybody, and the others leave it to it. Like each of those that are asked it is synchronous, and has every
acknowledged write. If it is lost as well, the others find it silent, and race as ever.
"""

import functools
import json
from concurrent.futures import as_completed
from contextlib import AbstractContextManager, suppress
from typing import Any

from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from patroni import postgresql as _postgresql  # noqa: F401  # before patroni.ha, which cannot be the first
from patroni import thread_pool
from patroni.dcs import Member
from patroni.ha import Ha

from patroni_changes.hooks import in_place_of, refusals


def unfitness(ha: Ha, found: Any) -> str | None:
    """Why a member that was asked must not take over; None: it may. As `Ha.is_failover_possible` has it."""
    limitation = found.failover_limitation()
    if limitation is not None:
        return f"is {limitation}"
    return "lags" if ha.is_lagging(found.wal_position) else None


def without_archive_command(ha: Ha) -> AbstractContextManager[None]:
    """For a demotion: it starts PostgreSQL twice for one that only the demotion of a whole cluster uses."""
    return in_place_of(ha._rewind, get_archive_command=lambda: None)  # noqa: SLF001


class Successor:
    """Who shall take over from a member whose PostgreSQL has crashed."""

    def __init__(self, ha: Ha) -> None:
        self._ha = ha
        self._name: str | None = None
        self._ask_all, self._demote = ha.fetch_nodes_statuses, ha.demote
        self._release = ha.release_leader_key_voluntarily

    def statuses(self, members: list[Member]) -> list[Any]:
        """In the place of `Ha.fetch_nodes_statuses`: those that answered, up to the first that is fit."""
        if self._ha.quorum_commit_mode_is_active():
            return self._ask_all(members)  # it counts them
        executor, answered = thread_pool.get_executor(), []
        asked = [executor.submit(self._ha.fetch_node_status, member) for member in members]
        for answer in as_completed(asked):
            answered.append(answer.result())
            if self._is_fit(answered[-1]):
                self._name = answered[-1].member.name
                break
        return answered

    def _is_fit(self, found: Any) -> bool:
        ha = self._ha
        behind = ha.check_timeline() and (found.timeline or 0) < ha.cluster.timeline
        return unfitness(ha, found) is None and not behind

    def demote(self, mode: str) -> bool | None:
        """In the place of `Ha.demote`."""
        with without_archive_command(self._ha):
            return self._demote(mode)

    def release(self, *last_lsn: int) -> None:
        """In the place of `Ha.release_leader_key_voluntarily`, which does it where this cannot."""
        released = False
        with suppress(KazooException, KazooTimeoutError):
            released = self._name is not None and self._release_for(self._name)
        if released:
            self._ha.touch_member()
        else:
            self._release(*last_lsn)

    def _release_for(self, name: str) -> bool:
        """Only our own key, whose version pins no owner: whoever took it writes /sync before it promotes."""
        ha, order = self._ha, {"leader": self._ha.state_handler.name, "member": name}
        client, leader = ha.dcs._client, ha.cluster.leader  # noqa: SLF001  # it has no public one
        if leader is None or leader.session != client.client_id[0]:
            return False
        refused: list[Exception] = []
        for put in ("set_data", "create"):
            transaction = client.transaction()
            transaction.check(ha.dcs.sync_path, ha.cluster.sync.version)
            getattr(transaction, put)(ha.dcs.failover_path, json.dumps(order, separators=(",", ":")).encode())
            transaction.delete(ha.dcs.leader_path)
            refused = refusals(transaction)
            if not any(isinstance(each, NoNodeError) for each in refused):
                break
        return not refused


def name_a_successor() -> None:
    """Have a member that has crashed name who shall take over."""
    recover = Ha.recover

    @functools.wraps(recover)
    def recovering(self: Ha) -> str:
        successor = Successor(self)
        with in_place_of(
            self,
            fetch_nodes_statuses=successor.statuses,
            demote=successor.demote,
            release_leader_key_voluntarily=successor.release,
        ):
            return recover(self)

    Ha.recover = recovering
