"""Waiting with a deadline, and telling what is still missing whenever that changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from failover.drills.ports import Clock, PortError

POLL_S = 0.5
# How much of what is missing a line of progress names; a reason of the verdict names all.
NAMED_MAX = 3

Say = Callable[[str], None]
# What is still missing; nothing when the condition holds. It may raise `PortError`, which counts as missing.
Condition = Callable[[], tuple[str, ...]]
T = TypeVar("T")


class Overdue(Exception):  # noqa: N818 - the field's word; it is no fault of the program
    """A condition did not hold by its deadline; the text says what was missing last."""


def wait_until(condition: Condition, deadline_s: float, what: str, *, clock: Clock, say: Say) -> None:
    """Return when nothing is missing any more; raise `Overdue` after `deadline_s` seconds."""
    deadline = clock.monotonic_ns() + int(deadline_s * 1e9)
    told = ""
    while True:
        missing = _ask(condition)
        if not missing:
            return
        progress = f"waiting for {what}: {_first(missing)}"
        if progress != told:
            say(progress)
            told = progress
        if clock.monotonic_ns() >= deadline:
            raise Overdue(f"{what} not reached within {deadline_s:g} s: {'; '.join(missing)}")
        clock.sleep(POLL_S)


def answer(question: Callable[[], T], deadline_s: float, what: str, *, clock: Clock, say: Say) -> T:
    """Return what is answered once nobody refuses: a busy estate may do so once, which is no finding.

    Raises `Overdue` after `deadline_s` seconds of refusals.
    """
    answers: list[T] = []

    def missing() -> tuple[str, ...]:
        answers.append(question())
        return ()

    wait_until(missing, deadline_s, what, clock=clock, say=say)
    return answers[0]


def _first(missing: tuple[str, ...]) -> str:
    named = "; ".join(missing[:NAMED_MAX])
    return named if len(missing) <= NAMED_MAX else f"{named} (+{len(missing) - NAMED_MAX} more)"


def _ask(condition: Condition) -> tuple[str, ...]:
    try:
        return condition()
    except PortError as error:
        return (str(error),)
