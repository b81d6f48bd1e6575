"""Probes every host for ever, and counts what was found: failing targets are asked faster."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from failover.targets import Probed, Target
from failover.views import NEVER, Outcome, PatroniReport, Signal


@dataclass(frozen=True)
class Pace:
    """Seconds. `interval_s`: between probes of the primary, and between publications while anything is amiss.

    `calm_s`: between probes of a standby, and between publications otherwise. Each publication is a write
    that five ZooKeeper servers log: at the fast pace, all agents' together took 0.3 of a core in the lab, a
    quarter of what it took when idle (measured).
    `slow_s`: between probes that cost a new connection; when another of the same site fails, they are made at
    once. `fast_s`: between probes of a target whose last probe failed, until it is surely lost. `restless_s`:
    of one that is, or whose PostgreSQL does not run: its host may be busy coming back.
    """

    interval_s: float = 0.3
    calm_s: float = 1.0
    slow_s: float = 2.0
    fast_s: float = 0.1
    restless_s: float = 1.0
    timeout_s: float = 0.25
    sure_after: int = 3


def about(seconds: float) -> float:
    """Now somewhat sooner, now somewhat later: what all agents began at once they would go on doing at once.

    The questions of five agents, a TLS handshake each, and their views came in bursts, every second or two,
    in which an operator's request took twice as long (docs/measurements.md).
    """
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def follow(before: Signal, probed: Probed, since_s: float, now_s: float) -> Signal:
    """The signal after one more probe; `since_s` is when the run that `before` belongs to began."""
    answers = probed.outcome is Outcome.ANSWERS
    same = before.outcome is not Outcome.UNKNOWN and before.answers == answers
    streak = before.streak + 1 if same else 1
    held = int((now_s - since_s) * 1000) if same else 0
    return Signal(probed.outcome, streak, held, probed.detail)


class Watch:
    """Probes one target for ever and keeps its signal.

    `changed` is called when the view is worth publishing at once: a target fell silent, surely so, or answers
    again. What it says of itself waits for the next publication, at most `Pace.calm_s`, and so does a
    refusal, until it has lasted (`alarmed`). `alarmed` is called with what was found when the target answered
    before and now fails or says something else (a standby became primary).
    """

    def __init__(
        self,
        target: Target,
        pace: Pace,
        monotonic: Callable[[], float],
        changed: Callable[[], None],
        *,
        alarmed: Callable[[Signal], None] | None = None,
        every_s: Callable[[Signal], float] | None = None,
    ) -> None:
        self._target, self._pace, self._monotonic, self._changed = target, pace, monotonic, changed
        self._alarmed = alarmed or (lambda _: None)
        self._every_s = every_s or (lambda _: pace.interval_s)
        self._since = 0.0
        self._nudged = asyncio.Event()
        self.signal = NEVER
        self.report: PatroniReport | None = None

    async def once(self) -> None:
        self._take(await self.ask())

    async def ask(self) -> Probed:
        """One probe that counts for nothing."""
        return await self._target.probe()

    async def make_sure(self, probes: int) -> None:
        """Probes that overlap, until one answers: a silent one takes its whole timeout, and clients wait.

        What answers is asked once: a new session costs its host 19 ms of a core, a handshake 5. And so is a
        Patroni that takes its time: all agents' questions at once, some twenty, kept that of a crashed
        primary from giving the leader key away (docs/measurements.md).
        """
        begun: list[asyncio.Task[Probed]] = []
        async with asyncio.TaskGroup() as group:
            while len(begun) < probes and not self._is_heard(begun):
                begun.append(group.create_task(self._target.probe()))
                await asyncio.sleep(self._pace.fast_s if len(begun) < probes else 0)
            for probe in begun:
                self._take(await probe)

    def _is_heard(self, begun: list[asyncio.Task[Probed]]) -> bool:
        return bool(begun) and (self._target.keeps_waiting or any(map(_has_answered, begun)))

    def _take(self, probed: Probed) -> None:
        now = self._monotonic()
        before, self.signal = self.signal, follow(self.signal, probed, self._since, now)
        if self.signal.streak == 1:
            self._since = now
        self.report = probed.report
        if before.answers and (self.signal.fails or self.signal.detail != before.detail):
            self._alarmed(self.signal)
        turned = before.outcome is not self.signal.outcome
        urgent = self.signal.outcome is not Outcome.REFUSED
        if urgent and (turned or self.signal.streak == self._pace.sure_after):
            self._changed()

    def nudge(self) -> None:
        """Probes now instead of when its time comes. One that fails already keeps its own, faster rhythm."""
        if not self.signal.fails:
            self._nudged.set()

    async def forever(self) -> None:
        while True:
            began = self._monotonic()
            nudged = self._nudged.is_set()
            self._nudged.clear()
            if nudged:
                await self.make_sure(self._pace.sure_after)
            else:
                await self.once()
            if self.signal.fails and self.signal.streak == 1:
                await self.make_sure(self._pace.sure_after - 1)
            await self._wait(self._pause() - (self._monotonic() - began))

    def _pause(self) -> float:
        """A turn is made sure of fast; what is away or not running is not asked seldom: its return shows."""
        if self.signal.streak < self._pace.sure_after:
            return self._pace.fast_s
        restless = self.signal.fails or (self.report is not None and not self.report.running)
        every_s = self._every_s(self.signal)
        return min(self._pace.restless_s, every_s) if restless else every_s

    async def _wait(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, pause_s)):
                await self._nudged.wait()


def _has_answered(probe: asyncio.Task[Probed]) -> bool:
    return probe.done() and probe.result().outcome is Outcome.ANSWERS
