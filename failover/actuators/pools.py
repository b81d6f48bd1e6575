"""All pools of the estate, through the agents of their hosts. Orders travel as znodes under our epoch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from kazoo.client import KazooClient

from failover.actuators.ports import EffectRefusedError, EffectUnknownError
from failover.leadership import Leadership
from failover.orders import ANSWERS, ORDERS, Answer, Order, Task
from failover.znodes import Node, read


class Pools:
    """Gives the same order to every application host that has an agent, and collects the answers.

    A host without an agent has no session and so nobody to pause it; its clients meet the switch unprepared.
    """

    def __init__(
        self,
        client: KazooClient,
        leadership: Leadership,
        hosts: Callable[[], Iterable[str]],
        *,
        leader: Callable[[], str | None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        answers_within_s: float = 1.0,
    ) -> None:
        """`leader`: who holds the leader key. Plans name whom they expect; led to is only who holds it.

        Sessions led to a standby would stay there, as they work, and every write through them is refused.
        """
        self._client = client
        self._leadership = leadership
        self._hosts = hosts
        self._monotonic = monotonic
        self._sleep = sleep
        self._within_s = answers_within_s
        self._leader = leader
        self._numbers = itertools.count(1)
        self._prepared: set[str] = set()
        self._answered_by_all: tuple[Order, float] | None = None

    def pause(self, *, operation: str, hold_s: float, candidate: str = "") -> str:
        return self._all(Task.PAUSE, operation, hold_s, candidate)

    def resume(self, *, primary: str = "") -> str:
        return self._all(Task.RESUME, "", 0.0, (primary and self._leader()) or "")

    def route(self, *, primary: str) -> str:
        """Raises EffectRefusedError when nobody holds the leader key: HAProxy's checks will find who does."""
        if not (holder := self._leader()):
            raise EffectRefusedError(f"nobody holds the leader key, and {primary} does not either")
        return self._all(Task.ROUTE, "", 0.0, holder)

    def _all(self, task: Task, operation: str, hold_s: float, host: str) -> str:
        order = Order(self._leadership.epoch, next(self._numbers), task, operation, hold_s, host)
        hosts = tuple(self._hosts())
        self._prepare(hosts)
        self._answered_by_all = None
        transaction = self._leadership.stamped()
        for name in hosts:
            transaction.set_data(f"{ORDERS}/{name}", order.to_bytes())
        self._leadership.commit(transaction)
        evidence = self._collect(order, hosts)
        self._answered_by_all = (order, self._monotonic())
        return evidence

    def _prepare(self, hosts: tuple[str, ...]) -> None:
        for name in hosts:
            if name not in self._prepared:
                self._client.ensure_path(f"{ORDERS}/{name}")
                self._prepared.add(name)

    def paused_for(self, operation: str) -> bool:
        """Every host has answered our own order to pause for this, and its hold cannot have ended yet."""
        if self._answered_by_all is None:
            return False
        order, at = self._answered_by_all
        ours = order.epoch == self._leadership.epoch and order.operation == operation
        return ours and order.task is Task.PAUSE and self._monotonic() - at < order.hold_s / 2

    def resumed(self) -> bool:
        """Every host has answered our own order to resume, and nothing was ordered since."""
        if self._answered_by_all is None:
            return False
        order, _ = self._answered_by_all
        return order.epoch == self._leadership.epoch and order.task is Task.RESUME

    def _collect(self, order: Order, hosts: tuple[str, ...]) -> str:
        deadline = self._monotonic() + self._within_s
        missing = hosts
        while missing and self._monotonic() < deadline:
            found = read(self._client, *(f"{ANSWERS}/{host}" for host in missing))
            missing = tuple(
                host for host, node in zip(missing, found, strict=True) if not _answered(order, host, node)
            )
            if missing:
                self._sleep(0.01)
        if missing:
            raise EffectUnknownError(f"no answer from {', '.join(missing)} to {order.task}")
        return f"{order.task}: {', '.join(hosts)}"


def _answered(order: Order, host: str, node: Node | None) -> bool:
    """Not if there is no desk, or if it is open and has answered nothing yet.

    Raises EffectRefusedError when the host will not.
    """
    if node is None or not node[0]:
        return False
    answer = Answer.from_bytes(node[0])
    if answer.answers(order) and not answer.obeyed:
        raise EffectRefusedError(f"{host}: {answer.text}")
    return answer.answers(order)
