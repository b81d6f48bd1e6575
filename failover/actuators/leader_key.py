"""Release of Patroni's leader key: one transaction that holds only if all is as it was diagnosed.

Why the conditions are what they are: docs/decisions/0401-orchestrator.md, item 4.
"""

from __future__ import annotations

import json

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.protocol.states import ZnodeStat

from failover.actuators.ports import EffectRefusedError
from failover.leadership import ANSWER_S, Leadership, TransactionError


class LeaderKey:
    """Patroni's znodes below `scope` (/twinsite/crm)."""

    def __init__(self, client: KazooClient, leadership: Leadership, scope: str = "/twinsite/crm") -> None:
        self._client = client
        self._leadership = leadership
        self._leader = f"{scope}/leader"
        self._sync = f"{scope}/sync"
        self._failover = f"{scope}/failover"

    def release(self, *, leader: str, session: int, candidate: str, sync_version: int | None) -> str:
        """Deletes the key and names the candidate.

        `sync_version`: /sync as it was diagnosed. None: as it is now, if the candidate is a member; read
        before the key, so that a promotion in between, which changes it first, makes the transaction fail.

        Raises:
            EffectRefusedError: the key is another's, or /sync has changed since: nothing was done.
            DeposedError: another epoch has begun, or ZooKeeper does not answer.
        """
        self._client.sync_async(self._leader).get(timeout=ANSWER_S)
        if sync_version is None:
            sync_version = self._version_with(candidate)
        held = self._read(self._leader)
        if held is None:
            return "the key was free already"
        name, stat = held
        if name != leader.encode() or stat.ephemeralOwner != session:
            raise EffectRefusedError(f"the key is {name.decode()}'s under session {stat.ephemeralOwner:#x}")
        transaction = self._leadership.stamped()
        transaction.check(self._sync, sync_version)
        order = json.dumps({"leader": leader, "member": candidate}).encode()
        if self._read(self._failover) is None:
            transaction.create(self._failover, order)
        else:
            transaction.set_data(self._failover, order)
        transaction.delete(self._leader, version=stat.version)
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            raise EffectRefusedError(f"/sync or the key changed in between: {refused}") from refused
        return (
            f"key of {leader} (session {session:#x}) released for {candidate}, /sync version {sync_version}"
        )

    def ordered(self, candidate: str) -> bool:
        """Whether an order to hand over to the candidate waits for Patroni."""
        held = self._read(self._failover)
        return held is not None and bool(held[0]) and json.loads(held[0]).get("member") == candidate

    def _version_with(self, candidate: str) -> int:
        sync = self._read(self._sync)
        raw = json.loads(sync[0]) if sync and sync[0] else {}
        names = [name.strip() for name in str(raw.get("sync_standby") or "").split(",")]
        if sync is None or candidate not in names:
            raise EffectRefusedError(f"{candidate} is not synchronous any more")
        return int(sync[1].version)

    def clear_order(self) -> str:
        """Takes back an order to switch that Patroni has not begun to follow."""
        if self._read(self._failover) is None:
            return "no order"
        transaction = self._leadership.stamped()
        transaction.set_data(self._failover, b"{}")
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            raise EffectRefusedError(f"the order is gone: {refused}") from refused
        return "order cleared"

    def _read(self, path: str) -> tuple[bytes, ZnodeStat] | None:
        try:
            data, stat = self._client.get_async(path).get(timeout=ANSWER_S)
        except NoNodeError:
            return None
        return bytes(data), stat
