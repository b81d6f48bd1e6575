"""A pause always ends: by order, by deadline, by the agent's start. Old orders of the dead count nothing."""

from collections.abc import Callable

import pytest

from failover.leader_watch import LeaderWatch
from failover.orders import Answer, Order, Task
from failover.pool_gate import LONGEST_HOLD_S, PROMOTION_ASKED_EVERY_S, PoolError, PoolGate
from failover.routes import CONNECTS_WITHIN_S, NoRoutes, RouteError


class FakePool:
    """PgBouncer's console as the gate sees it; the real one is tested in tests/lab."""

    def __init__(self) -> None:
        self.is_paused = False
        self.busy = False
        self.broken = 0
        self.renewed = False

    def pause(self, within_s: float) -> None:
        assert within_s > 0
        if self.busy:
            raise PoolError("a transaction runs")
        self.is_paused = True

    def resume(self) -> None:
        if self.broken:
            self.broken -= 1
            raise PoolError("no connection")
        self.is_paused = False

    def paused(self) -> bool:
        return self.is_paused

    def renew_reads(self) -> None:
        self.renewed = True


class Timers:
    """Time by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, object]] = []

    def after(self, delay_s: float, call) -> None:
        self.due.append((self.now + delay_s, call))

    def advance(self, seconds: float) -> None:
        self.now += seconds
        ready = [item for item in self.due if item[0] <= self.now]
        self.due = [item for item in self.due if item[0] > self.now]
        for _, call in ready:
            call()


def gate() -> tuple[PoolGate, FakePool, Timers]:
    pool, timers = FakePool(), Timers()
    return PoolGate(pool, monotonic=lambda: timers.now, after=timers.after), pool, timers


def pause(epoch: int = 1, number: int = 1, hold_s: float = 5.0) -> Order:
    return Order(epoch, number, Task.PAUSE, "op-1", hold_s)


def resume(epoch: int = 1, number: int = 2) -> Order:
    return Order(epoch, number, Task.RESUME, "")


def test_a_pause_that_nobody_ends_ends_itself() -> None:
    it, pool, timers = gate()

    answer = it.obey(pause())
    assert (answer.obeyed, pool.is_paused) == (True, True)
    timers.advance(4.0)
    assert it.view().held_ms == 4000
    assert it.view().operation == "op-1"
    timers.advance(1.1)

    assert not pool.is_paused
    assert it.view().operation is None


def test_no_pause_is_longer_than_this_host_allows() -> None:
    it, pool, timers = gate()

    it.obey(pause(hold_s=3600))
    timers.advance(LONGEST_HOLD_S + 0.1)

    assert not pool.is_paused


def test_the_timer_of_an_earlier_pause_does_not_end_a_later_one() -> None:
    it, pool, timers = gate()
    it.obey(pause(number=1))
    timers.advance(3.0)
    it.obey(resume(number=2))
    it.obey(pause(number=3))

    timers.advance(2.5)
    assert pool.is_paused
    timers.advance(2.6)
    assert not pool.is_paused


def test_a_resume_that_fails_is_tried_until_it_works() -> None:
    it, pool, timers = gate()
    it.obey(pause())
    pool.broken = 3

    for _ in range(10):
        timers.advance(5.0)

    assert not pool.is_paused


def test_orders_of_an_epoch_that_is_over_are_refused() -> None:
    it, pool, _ = gate()
    it.obey(resume(epoch=2))

    answer = it.obey(pause(epoch=1))

    assert not answer.obeyed
    assert "epoch 1 is over" in answer.text
    assert not pool.is_paused


def test_a_pause_that_cannot_be_had_is_refused_and_leaves_nothing() -> None:
    it, pool, _ = gate()
    pool.busy = True

    assert not it.obey(pause()).obeyed
    assert not pool.is_paused


def test_an_agent_that_starts_resumes_what_it_finds_paused() -> None:
    it, pool, _ = gate()
    pool.is_paused = True

    it.begin()

    assert not pool.is_paused


def test_orders_and_answers_are_read_as_they_were_written() -> None:
    order, answer = pause(), Answer(1, 1, obeyed=True, text="paused")

    assert Order.from_bytes(order.to_bytes()) == order
    assert Answer.from_bytes(answer.to_bytes()) == answer
    assert answer.answers(order)
    assert not answer.answers(resume())


class FakeRoutes:
    """HAProxy as the gate sees it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.deaf = False

    def _say(self, text: str) -> None:
        if self.deaf:
            raise RouteError("no socket")
        self.said.append(text)

    def leave(self, replica: str) -> None:
        self._say(f"leave {replica}")

    def lead_to(self, primary: str) -> None:
        self._say(f"lead to {primary}")

    def cut_off_established(self, primary: str) -> None:
        self._say(f"cut off established others than {primary}")

    def cut_off_others(self, primary: str) -> None:
        self._say(f"cut off others than {primary}")

    def reset(self) -> None:
        self._say("reset")


def switching(routes: FakeRoutes, timers: Timers | None = None) -> tuple[PoolGate, FakePool]:
    pool, timers = FakePool(), timers or Timers()
    return PoolGate(pool, monotonic=lambda: timers.now, after=timers.after, routes=routes), pool


def test_reads_leave_the_candidate_before_the_pause_and_writes_are_led_before_the_resume() -> None:
    routes = FakeRoutes()
    switched, pool = switching(routes)

    switched.obey(Order(1, 1, Task.PAUSE, "op-1", 5.0, "dc2-db1"))
    assert pool.renewed
    switched.obey(Order(1, 2, Task.RESUME, "", 0.0, "dc2-db1"))

    assert routes.said == ["leave dc2-db1", "lead to dc2-db1", "cut off others than dc2-db1", "reset"]


def test_a_route_order_touches_no_pool() -> None:
    routes = FakeRoutes()
    switched, pool = switching(routes)
    switched.obey(pause())

    answer = switched.obey(Order(1, 2, Task.ROUTE, "", 0.0, "dc2-db1"))

    assert answer.obeyed
    assert pool.is_paused
    assert routes.said == ["lead to dc2-db1", "cut off established others than dc2-db1"]


def test_the_old_primary_is_cut_off_once_nobody_waits_for_its_answer_any_more() -> None:
    routes, timers = FakeRoutes(), Timers()
    switched, _ = switching(routes, timers)

    switched.obey(Order(1, 1, Task.ROUTE, "", 0.0, "dc2-db1"))
    timers.advance(CONNECTS_WITHIN_S)

    first = ["lead to dc2-db1", "cut off established others than dc2-db1"]
    assert routes.said == [*first, "cut off others than dc2-db1"]


def test_a_primary_that_has_been_replaced_meanwhile_cuts_nobody_off() -> None:
    routes, timers = FakeRoutes(), Timers()
    switched, _ = switching(routes, timers)

    switched.obey(Order(1, 1, Task.ROUTE, "", 0.0, "dc2-db1"))
    timers.advance(CONNECTS_WITHIN_S / 2)
    switched.obey(Order(1, 2, Task.ROUTE, "", 0.0, "dc1-db1"))
    timers.advance(CONNECTS_WITHIN_S)

    assert [said for said in routes.said if "established" not in said] == [
        "lead to dc2-db1",
        "lead to dc1-db1",
        "cut off others than dc1-db1",
    ]


def test_a_proxy_that_cannot_be_told_keeps_nobody_from_pausing_and_resuming() -> None:
    routes = FakeRoutes()
    routes.deaf = True
    switched, pool = switching(routes)

    assert switched.obey(Order(1, 1, Task.PAUSE, "op-1", 5.0, "dc2-db1")).obeyed
    assert pool.is_paused
    assert switched.obey(Order(1, 2, Task.RESUME, "", 0.0, "dc2-db1")).obeyed
    assert not pool.is_paused


class Promotion:
    """A server that leaves recovery when told."""

    def __init__(self) -> None:
        self.done = False
        self.asked: list[str] = []

    def __call__(self, host: str) -> bool:
        self.asked.append(host)
        return self.done


def test_a_pause_for_a_switch_ends_when_its_candidate_has_the_key_and_has_left_recovery() -> None:
    routes, timers, promotion = FakeRoutes(), Timers(), Promotion()
    switched, pool = switching(routes, timers)
    switched.obey(Order(1, 1, Task.PAUSE, "op-1", 5.0, "dc2-db1"))

    switched.follow("dc2-db1", promotion)
    timers.advance(0.0)
    timers.advance(PROMOTION_ASKED_EVERY_S)
    assert pool.is_paused
    assert promotion.asked == ["dc2-db1", "dc2-db1"]

    promotion.done = True
    timers.advance(PROMOTION_ASKED_EVERY_S)
    assert not pool.is_paused
    cut = routes.said.index("cut off others than dc2-db1")
    assert cut < routes.said.index("reset")  # nobody is led to the old one when the pool resumes
    answer = switched.obey(Order(1, 2, Task.RESUME, "", 0.0, "dc2-db1"))  # comes all the same
    assert answer.obeyed
    assert not pool.is_paused


@pytest.mark.parametrize("holder", ["dc1-db1", "dc2-db2"])
def test_a_key_that_another_takes_ends_no_pause(holder: str) -> None:
    timers, promotion = Timers(), Promotion()
    promotion.done = True
    switched, pool = switching(FakeRoutes(), timers)
    switched.obey(Order(1, 1, Task.PAUSE, "op-1", 5.0, "dc2-db1"))

    switched.follow(holder, promotion)
    timers.advance(0.0)
    timers.advance(1.0)

    assert pool.is_paused
    assert promotion.asked == []


def test_a_promotion_of_an_earlier_pause_does_not_end_a_later_one() -> None:
    timers, promotion = Timers(), Promotion()
    switched, pool = switching(FakeRoutes(), timers)
    switched.obey(Order(1, 1, Task.PAUSE, "op-1", 5.0, "dc2-db1"))
    switched.follow("dc2-db1", promotion)
    timers.advance(0.0)
    switched.obey(Order(1, 2, Task.PAUSE, "op-2", 5.0, "dc2-db1"))

    promotion.done = True
    timers.advance(PROMOTION_ASKED_EVERY_S)

    assert pool.is_paused


def test_connections_follow_the_leader_key_as_they_follow_an_order() -> None:
    told: list[str] = []

    class Route(NoRoutes):
        def lead_to(self, primary: str) -> None:
            told.append(f"lead {primary}")

        def cut_off_others(self, primary: str) -> None:
            told.append(f"cut off all but {primary}")

    timers = Timers()
    it = PoolGate(FakePool(), monotonic=lambda: timers.now, after=timers.after, routes=Route())
    keys = LeaderWatch(Keys(), ("dc1-db1", "dc2-db1"), it.follow)

    keys.watch()
    assert told == []  # kazoo's thread does not wait for HAProxy
    timers.advance(0.0)
    Keys.changed(None)
    Keys.changed(b"somebody")
    Keys.changed(b"dc2-db1")
    timers.advance(0.0)
    timers.advance(CONNECTS_WITHIN_S)

    assert told == ["lead dc1-db1", "lead dc2-db1", "cut off all but dc2-db1"]


class Keys:
    """ZooKeeper, as far as a watch goes: dc1-db1 holds the leader key at first."""

    changed: Callable[[bytes | None], None]

    def DataWatch(self, path: str, changed: Callable[[bytes | None, object], None]) -> None:  # noqa: N802  # kazoo's
        assert path == "/twinsite/crm/leader"
        Keys.changed = staticmethod(lambda data: changed(data, None))
        changed(b"dc1-db1", None)
