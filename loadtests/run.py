"""Runs a profile until its time is over or it is told to end. Imports Locust first: see `transport`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment

from loadtests.beside import GRACE_S, Finish, following, receiving
from loadtests.client import Ending
from loadtests.entries import Entry
from loadtests.follower import Reckoning
from loadtests.ledger import Ledger
from loadtests.policy import DRAIN_S, Patience
from loadtests.profiles import Profile
from loadtests.summary import STEADY_MIN_S, Counts, Rates, Statistics, Summary, judge
from loadtests.transport import tls_context
from loadtests.users import Setup, user_classes

TICK_S = 0.25
PROGRESS_S = 5.0
# A load without a duration ends by itself after this, and as soon as who started it is gone: nobody may be
# left to tell it.
UNATTENDED_MAX_S = 3600.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run. `duration_s` None means until told to end, or until the starter is gone.

    `follow`: somebody follows the event feed beside the users, and reads on when they are gone. `receive`: at
    that address of this machine somebody takes webhooks, for which `subscriber_key` may subscribe.
    """

    profile: Profile
    entries: tuple[Entry, ...]
    ca: Path | None
    history: Path
    run_id: str
    seed: int
    duration_s: float | None
    patience: Patience = Patience()  # noqa: RUF009 - frozen
    drain_s: float = DRAIN_S
    service_key: str | None = None
    follow: bool = False
    receive: str | None = None
    subscriber_key: str | None = None


class UserError(Exception):
    """A journey broke by a fault of its own, so the run says nothing; the text is the first such fault."""


def run(order: Order, say: Say) -> Statistics:
    """Run the load and return its statistics; raise `UserError` when a journey itself is broken."""
    summary, ending, told, delivered = Summary(), Ending(), Reckoning(), Reckoning()
    counting = [told] * order.follow + [delivered] * bool(order.receive)
    ledger = Ledger(order.history, order.run_id, [summary, *counting])
    setup = Setup(
        profile=order.profile,
        entries=order.entries,
        context=tls_context(order.ca),
        ledger=ledger,
        ending=ending,
        patience=order.patience,
        seed=order.seed,
        service_key=order.service_key,
    )
    environment = Environment(user_classes=user_classes(setup), catch_exceptions=True)
    faults = _watch_for_faults(environment)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, ending.ask, order.drain_s)
    pilot = _Pilot(order, environment.create_local_runner(), summary, ending, say)
    try:
        with _beside(order, setup, told, delivered, faults):
            pilot.fly()
    finally:
        ledger.close()
    if faults:
        raise UserError(faults[0])
    return pilot.statistics()


@contextmanager
def _beside(
    order: Order, setup: Setup, told: Reckoning, delivered: Reckoning, faults: list[str]
) -> Iterator[None]:
    """Have the follower and the receiver there, as ordered, from before the users come.

    They may stay long after the users have gone, so the history says when that was.
    """
    finish = Finish()
    with ExitStack() as present:
        if order.follow:
            present.enter_context(following(setup, told, finish, faults))
        if order.receive:
            present.enter_context(receiving(setup, delivered, finish, order.receive, order.subscriber_key))
        yield
        if finish:
            setup.ledger.mark_end_of_load()
        finish.ask()


def _watch_for_faults(environment: Environment) -> list[str]:
    faults: list[str] = []

    def note(exception: Exception, **_: Any) -> None:
        faults.append(f"{type(exception).__name__}: {exception}")

    environment.events.user_error.add_listener(note)  # type: ignore[no-untyped-call]
    return faults


class _Pilot:
    """Brings the users up in their stages, tells progress, and brings them down."""

    def __init__(self, order: Order, runner: Any, summary: Summary, ending: Ending, say: Say) -> None:
        self._order = order
        self._runner = runner
        self._summary = summary
        self._ending = ending
        self._say = say
        self._parent = os.getppid()
        self._began_s = time.monotonic()
        self._ended_s = self._began_s
        self._steady_from_s = self._began_s + order.profile.stages[0].ramp_s
        self._at_steady: Counts | None = None
        self._at_end = summary.counts()
        self._cpu_at_steady_s = self._cpu_s = 0.0

    def fly(self) -> None:
        stage, told_s = None, self._began_s
        while not self._ending.wait(TICK_S):
            now = time.monotonic()
            if self._is_over(now - self._began_s):
                self._ending.ask(self._order.drain_s)
                break
            wanted = self._order.profile.stage_at(now - self._began_s)
            if wanted is not stage:
                stage = wanted
                users = max(round(self._order.profile.users * stage.share), 1)
                self._runner.start(users, spawn_rate=max(users / stage.ramp_s, 1))
            self._note_steady(now)
            if now - told_s >= PROGRESS_S:
                told_s = now
                self._progress(now)
        self._land()

    def _is_over(self, elapsed_s: float) -> bool:
        if self._order.duration_s is not None:
            return elapsed_s >= self._order.duration_s
        return elapsed_s >= UNATTENDED_MAX_S or os.getppid() != self._parent

    def _land(self) -> None:
        self._ended_s, self._cpu_s = time.monotonic(), time.process_time()
        self._at_end = self._summary.counts()
        self._say("ending: what is in flight may finish")
        until = self._ended_s + self._order.drain_s + GRACE_S
        while self._runner.user_count and time.monotonic() < until:
            gevent.sleep(TICK_S)
        self._runner.quit()

    def _note_steady(self, now: float) -> None:
        if self._at_steady is None and now >= self._steady_from_s:
            self._steady_from_s = now
            self._at_steady, self._cpu_at_steady_s = self._summary.counts(), time.process_time()

    def _progress(self, now: float) -> None:
        totals = self._summary.totals()
        self._say(
            f"{now - self._began_s:6.1f} s  {self._runner.user_count} users, {totals.ok} done, "
            f"{totals.attempts_failed} attempts failed, {totals.gave_up} given up, via {self._summary.route}"
        )

    def _rates(self) -> Rates:
        """Return what was acknowledged in a second from the end of the ramp until the load was to end."""
        since = self._at_steady or self._at_end
        return Rates.between(since, self._at_end, self._ended_s - self._steady_from_s)

    def _cores(self) -> float | None:
        seconds = self._ended_s - self._steady_from_s
        return round((self._cpu_s - self._cpu_at_steady_s) / seconds, 3) if seconds >= STEADY_MIN_S else None

    def statistics(self) -> Statistics:
        order, totals, latency = self._order, self._summary.totals(), self._summary.latency()
        rates = self._rates()
        feed_rate = rates.sent_by(order.profile.feed)
        return Statistics(
            profile=order.profile.name,
            run_id=order.run_id,
            seed=order.seed,
            duration_s=round(self._ended_s - self._began_s, 3),
            users=order.profile.users,
            rate=rates.done,
            feed_rate=feed_rate,
            cores=self._cores(),
            totals=totals,
            latency=latency,
            by_function=self._summary.by_function(rates),
            judgement=judge(order.profile, totals, latency, feed_rate),
        )
