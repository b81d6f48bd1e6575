"""Where the orders for this host's pool arrive."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from kazoo.client import KazooClient

from failover.duties import ZooKeeperTrouble
from failover.orders import ANSWERS, ORDERS, Order
from failover.pool_gate import PoolGate
from failover.znodes import ANSWER_S

log = logging.getLogger(__name__)


class OrderDesk:
    """Takes orders for this host's pool as they arrive, one after the other, and leaves the answers."""

    def __init__(
        self, client: KazooClient, gate: PoolGate, name: str, obeyed: Callable[[], None] | None = None
    ) -> None:
        self._client, self._gate, self._name = client, gate, name
        self._obeyed = obeyed or (lambda: None)
        self._orders: queue.Queue[Order] = queue.Queue()
        self._last: bytes | None = None

    def open(self) -> None:
        """Orders given before now were another process's to obey: only later ones count."""
        for path in (f"{ORDERS}/{self._name}", f"{ANSWERS}/{self._name}"):
            self._client.ensure_path(path)
        self._last = bytes(self._client.get_async(f"{ORDERS}/{self._name}").get(timeout=ANSWER_S)[0])
        threading.Thread(target=self._work, name="orders", daemon=True).start()
        self._client.DataWatch(f"{ORDERS}/{self._name}", self._arrived)

    def _arrived(self, data: bytes | None, _stat: object) -> None:
        """In kazoo's own thread: only takes note. The watch fires anew after a lost session."""
        if not data or data == self._last:
            return
        self._last = data
        try:
            self._orders.put(Order.from_bytes(data))
        except ValueError as error:
            log.warning("%s", error)

    def _work(self) -> None:
        while True:
            answer = self._gate.obey(self._orders.get())
            log.info("order %d.%d: %s", answer.epoch, answer.number, answer.text)
            self._obeyed()
            try:
                self._client.set_async(f"{ANSWERS}/{self._name}", answer.to_bytes()).get(timeout=ANSWER_S)
            except ZooKeeperTrouble as error:
                log.warning("answer not delivered: %r", error)
