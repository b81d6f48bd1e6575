"""Hosts that operators took out of service: one znode each. The orchestrator promotes none of them.

What happens on the host (Patroni's tags, the drain of its entry) is Ansible's: playbooks/maintenance.yml.
"""

from __future__ import annotations

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError

from failover.actuators.ports import EffectRefusedError
from failover.leadership import Leadership, TransactionError
from failover.znodes import children

MAINTENANCE = "/twinsite/maintenance"


def held_hosts(client: KazooClient) -> frozenset[str]:
    return frozenset(children(client, MAINTENANCE))


class Register:
    """Written under our epoch."""

    def __init__(self, client: KazooClient, leadership: Leadership) -> None:
        self._client, self._leadership = client, leadership

    def prepare(self) -> None:
        self._client.ensure_path(MAINTENANCE)

    def hold(self, host: str) -> str:
        transaction = self._leadership.stamped()
        transaction.create(f"{MAINTENANCE}/{host}", b"")
        return self._commit(transaction, NodeExistsError, f"{host} is held")

    def give_back(self, host: str) -> str:
        transaction = self._leadership.stamped()
        transaction.delete(f"{MAINTENANCE}/{host}")
        return self._commit(transaction, NoNodeError, f"{host} is in service")

    def _commit(self, transaction: object, already: type[Exception], text: str) -> str:
        try:
            self._leadership.commit(transaction)
        except TransactionError as refused:
            if isinstance(refused.cause, already):
                return f"{text}, as it was"
            raise EffectRefusedError(str(refused)) from refused
        return text
