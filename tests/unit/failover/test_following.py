"""Watching an operation from the operator's program."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Generic, TypeVar

import pytest
from kazoo.exceptions import ConnectionLoss
from kazoo.handlers.threading import KazooTimeoutError

from failover import following
from failover.following import SILENCE_BORNE_S, Clock, Counter, LetGoError, Say
from failover.journal import Entry, Outcome
from failover.plan import Operation, Plan

T = TypeVar("T")
RUNNING = Entry("op-1", Plan(Operation.FAILBACK, "bring db1 back", ()), "operator", "test")
ENDED = replace(RUNNING, outcome=Outcome.DONE)


class Answers(Generic[T]):
    """Answers in this order; an exception is raised. The last answer is repeated."""

    def __init__(self, *answers: T | Exception) -> None:
        self._answers = list(answers)

    def entry(self, _: object) -> T:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch):
    """Follows what a journal tells, each look a second later; returns the operation's end."""

    def followed(
        *answers: Entry | Exception, office: tuple[str | Exception, ...] = ("wit-zk1",), say: Say = print
    ) -> Entry:
        holders = Answers(*office)
        monkeypatch.setattr(following, "holder", holders.entry)
        seconds = count()
        counter = Counter(None, Clock(lambda: float(next(seconds)), lambda _: None), say)  # type: ignore[arg-type]
        monkeypatch.setattr(counter, "_journal", Answers(*answers))
        return counter.follow(RUNNING)

    return followed


def test_an_ensemble_that_elects_meanwhile_ends_no_watch(watch):
    assert watch(RUNNING, KazooTimeoutError(), ConnectionLoss(), RUNNING, ConnectionLoss(), ENDED) == ENDED


def test_an_ensemble_that_elects_as_the_watch_begins_ends_no_watch_either(watch):
    said: list[str] = []
    ended = watch(RUNNING, RUNNING, ENDED, office=(ConnectionLoss(), "wit-zk1", "dc1-app1"), say=said.append)
    assert ended == ENDED
    assert said[1:-1] == ["wit-zk1 left office; dc1-app1 is in office now"]


def test_whoever_hears_nothing_for_long_is_told_that_the_operation_goes_on(watch):
    with pytest.raises(LetGoError, match=r"does not answer.*op-1 goes on without this program"):
        watch(RUNNING, ConnectionLoss())
    assert SILENCE_BORNE_S > following.OFFICE_WITHIN_S, "an agent's successor is waited for"
