"""Patroni's leader key: handed over or released in one transaction that holds only if all is as it was seen.

Why the conditions are what they are: docs/decisions/0401-orchestrator.md, item 4.
"""

from __future__ import annotations

import json
import time

from kazoo.client import KazooClient, TransactionRequest

from failover.actuators.ports import EffectRefusedError
from failover.estate_reader import sync_key
from failover.leadership import Leadership, TransactionError
from failover.znodes import ANSWER_S, PATRONI, Node, content, read

# What Patroni on the leader is to expect, and its answer: {"operation", "leader", "member"} and, once it has
# looked, "hindrance": why it must not, or null. Not among Patroni's own, whose children every member watches.
ANNOUNCED = "/twinsite/announced"
LOOKS_EVERY_S = 0.05


class LeaderKey:
    """Patroni's znodes below `scope` (/twinsite/crm)."""

    def __init__(self, client: KazooClient, leadership: Leadership, scope: str = PATRONI) -> None:
        self._client = client
        self._leadership = leadership
        self._leader = f"{scope}/leader"
        self._sync = f"{scope}/sync"
        self._failover = f"{scope}/failover"

    def prepare(self) -> None:
        self._client.ensure_path(ANNOUNCED)

    def announce(self, *, leader: str, candidate: str, operation: str) -> str:
        """Tells the leader's Patroni to expect an order, so that it follows that within milliseconds.

        It looks at the candidate and makes a checkpoint now, not while clients wait, and says so in the same
        znode (`patroni_changes.expecting`). One that does not answer, as it has not been restarted since it
        was given that change, follows the order by its loop, some 0.3 s later.

        Raises:
            EffectRefusedError: it must not hand over to that candidate, and says why.
            DeposedError: another epoch has begun, or ZooKeeper does not answer.
        """
        transaction = self._leadership.stamped()
        announced = {"operation": operation, "leader": leader, "member": candidate}
        transaction.set_data(ANNOUNCED, json.dumps(announced).encode())
        self._leadership.commit(transaction)
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            answer = json.loads(content(self._client, ANNOUNCED) or b"{}")
            if "hindrance" in answer:
                if answer["hindrance"] is not None:
                    raise EffectRefusedError(f"{leader} must not hand over: {answer['hindrance']}")
                return f"{leader} expects the order"
            time.sleep(LOOKS_EVERY_S)
        return f"{leader} has not answered: its loop will follow the order"

    def hand_over(self, *, leader: str, candidate: str) -> str:
        """Orders the leader's Patroni to stop PostgreSQL for a synchronous candidate.

        Its REST writes the same order, but first looks at the candidate, which its loop does once more: 0.4 s
        of a pause. The order wakes that loop (decision 0207); one that it finds impossible it takes away.

        Raises:
            EffectRefusedError: the key is another's, the candidate is not synchronous, or one of them has
                changed since: nothing was done.
            DeposedError: another epoch has begun, or ZooKeeper does not answer.
        """
        held, sync, order = self._read(self._leader, self._sync, self._failover)
        if held is None or held[0] != leader.encode():
            raise EffectRefusedError(f"the leader key is {held[0].decode() if held else 'nobody'}'s")
        transaction = self._leadership.stamped()
        transaction.check(self._leader, held[1].version)
        transaction.check(self._sync, _version_with(candidate, sync))
        self._put_order(transaction, leader, candidate, over=order)
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            raise EffectRefusedError(f"/leader or /sync changed in between: {refused}") from refused
        return f"ordered {leader} to hand over to {candidate}"

    def release(self, *, leader: str, session: int, candidate: str, sync_version: int | None) -> str:
        """Deletes the key and names the candidate.

        `sync_version`: /sync as it was diagnosed. None: as it is now, if the candidate is a member; read
        before the key, so that a promotion in between, which changes it first, makes the transaction fail.

        Raises:
            EffectRefusedError: the key is another's, or /sync has changed since: nothing was done.
            DeposedError: another epoch has begun, or ZooKeeper does not answer.
        """
        self._client.sync_async(self._leader)  # answered before what is read after it, in one session
        sync, held, order = self._read(self._sync, self._leader, self._failover)
        if sync_version is None:
            sync_version = _version_with(candidate, sync)
        if held is None:
            return "the key was free already"
        name, stat = held
        if name != leader.encode() or stat.ephemeralOwner != session:
            raise EffectRefusedError(f"the key is {name.decode()}'s under session {stat.ephemeralOwner:#x}")
        transaction = self._leadership.stamped()
        transaction.check(self._sync, sync_version)
        self._put_order(transaction, leader, candidate, over=order)
        transaction.delete(self._leader, version=stat.version)
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            raise EffectRefusedError(f"/sync or the key changed in between: {refused}") from refused
        return (
            f"key of {leader} (session {session:#x}) released for {candidate}, /sync version {sync_version}"
        )

    def clear_order(self) -> str:
        """Takes back an order to switch that Patroni has not begun to follow.

        Patroni's DELETE /switchover knows scheduled ones only; an immediate one is its znode.
        """
        if self._read(self._failover) == (None,):
            return "no order"
        transaction = self._leadership.stamped()
        transaction.set_data(self._failover, b"{}")
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            raise EffectRefusedError(f"the order is gone: {refused}") from refused
        return "order cleared"

    def _put_order(
        self, transaction: TransactionRequest, leader: str, candidate: str, *, over: Node | None
    ) -> None:
        """As Patroni writes it itself (dcs/__init__.py, `manual_failover`)."""
        order = json.dumps({"leader": leader, "member": candidate}).encode()
        if over is None:
            transaction.create(self._failover, order)
        else:
            transaction.set_data(self._failover, order)

    def _read(self, *paths: str) -> tuple[Node | None, ...]:
        return read(self._client, *paths)


def _version_with(candidate: str, sync: Node | None) -> int:
    key = sync_key(sync)
    if candidate not in key.members:
        raise EffectRefusedError(f"{candidate} is not synchronous any more")
    return key.version
