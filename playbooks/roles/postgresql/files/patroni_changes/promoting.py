"""What a new primary's Patroni does before its PostgreSQL is promoted, and what afterwards.

It takes away the order that made it one, looks at the cluster a second time, sees to its slots and writes its
own znode, all in the loop that wants to promote; and the thread that does promote waits until that loop has
ended. The other way round clients wait for two writes of ZooKeeper's less, 0.07 s or more of busy cores.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from patroni import postgresql as _postgresql  # noqa: F401  # before patroni.ha, which cannot be the first
from patroni.exceptions import PatroniException
from patroni.ha import Ha
from patroni.psycopg import Error

from patroni_changes.hooks import in_place_of

logger = logging.getLogger(__name__)


class Agenda:
    """What is put off until the promotion has begun. Patroni runs one loop, so there is one."""

    def __init__(self) -> None:
        self._left: list[Callable[[], object]] = []

    def put_off(self, method: Callable[..., Any], answer: Any = None) -> Callable[..., Any]:
        """In the place of that method; `answer` is for who cannot wait for its own."""

        def later(*arguments: object, **more: object) -> Any:
            self._left.append(functools.partial(method, *arguments, **more))
            return answer

        return later

    def put_off_by_one_that_promotes(
        self, ha: Ha, method: Callable[..., Any], answer: Any
    ) -> Callable[..., Any]:
        later = self.put_off(method, answer)

        def now_or_later(*arguments: object) -> Any:
            return later(*arguments) if promotes(ha) else method(*arguments)

        return now_or_later

    def do(self) -> None:
        while self._left:
            try:
                self._left.pop(0)()
            except (PatroniException, Error) as error:
                logger.warning("put off until after the loop that promoted, and failed: %r", error)


def promotes(ha: Ha) -> bool:
    return ha._async_executor.scheduled_action == "promote"  # noqa: SLF001


def promote_before_anything_else() -> None:
    agenda = Agenda()
    _clean_up_later(agenda)
    _end_the_loop_first(agenda)


def _clean_up_later(agenda: Agenda) -> None:
    """The order, and the second look: of that the loop needs the version of /sync alone.

    It writes that under the condition that it is still the one of the look before.
    """
    process_unhealthy = Ha.process_unhealthy_cluster

    @functools.wraps(process_unhealthy)
    def processing(self: Ha) -> str:
        later = in_place_of(self.dcs, manual_failover=agenda.put_off(self.dcs.manual_failover, True))
        try:
            with later, in_place_of(self, load_cluster_from_dcs=agenda.put_off(self.load_cluster_from_dcs)):
                return process_unhealthy(self)
        finally:
            if not promotes(self):
                agenda.do()

    Ha.process_unhealthy_cluster = processing


def _end_the_loop_first(agenda: Agenda) -> None:
    run_cycle = Ha.run_cycle

    @functools.wraps(run_cycle)
    def cycling(self: Ha) -> str:
        touch, sync_slots = self.touch_member, self._sync_replication_slots
        in_their_places = in_place_of(
            self,
            touch_member=agenda.put_off_by_one_that_promotes(self, touch, True),
            _sync_replication_slots=agenda.put_off_by_one_that_promotes(self, sync_slots, []),
        )
        with in_their_places:
            told = run_cycle(self)
        agenda.do()
        return told

    Ha.run_cycle = cycling
