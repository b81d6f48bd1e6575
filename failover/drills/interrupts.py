"""SIGINT, SIGTERM and SIGHUP: an exception while a drill breaks things, only a note while it heals them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Self

from failover.drills.waiting import Say

# SIGHUP is what a lost terminal or SSH session sends: nobody is left to heal by hand then.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The operator ended the drill. Not an `Exception`, so that no handler of errors swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.signum = signum


class Interrupts:
    """Installs the handlers on entry, and puts the earlier ones back on exit. Main thread only.

    Only within `armed` does a signal raise; anywhere else it is noted, so that healing is never cut short.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._armed = False
        self._noted: int | None = None
        self._before: dict[int, Any] = {}

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Let a signal end what runs inside, by `Interrupted`; at once when one was noted before."""
        self._armed = True
        try:
            if self._noted is not None:
                raise Interrupted(self._noted)
            yield
        finally:
            self._armed = False

    def __enter__(self) -> Self:
        # Under nohup SIGHUP is ignored, and the drill is meant to go on without its terminal.
        wanted = (n for n in _SIGNALS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN)
        self._before = {number: signal.signal(number, self._on_signal) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if not self._armed:
            self._noted = signum
            with suppress(RuntimeError):  # the stream refuses a word within another word
                self._say(f"{signal.Signals(signum).name} noted: healing goes on, the drill ends after it")
            return
        self._armed = False
        raise Interrupted(signum)
