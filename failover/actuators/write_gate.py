"""The write gate: a znode that says whether writes are taken. Agents carry it to the API of their host."""

from __future__ import annotations

from kazoo.client import KazooClient

from failover.leadership import Leadership

GATE = "/twinsite/writes"
OPEN, CLOSED = b"open", b"closed"


class WriteGate:
    """Sets the gate under our epoch."""

    def __init__(self, client: KazooClient, leadership: Leadership) -> None:
        self._client = client
        self._leadership = leadership

    def prepare(self) -> None:
        self._client.ensure_path(GATE)

    def close(self) -> str:
        return self._set(CLOSED)

    def open(self) -> str:
        return self._set(OPEN)

    def _set(self, state: bytes) -> str:
        transaction = self._leadership.stamped()
        transaction.set_data(GATE, state)
        self._leadership.commit(transaction)
        return f"writes are {state.decode()}"
