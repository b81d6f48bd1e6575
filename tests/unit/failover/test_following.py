"""Watching an operation from the operator's program."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Generic, TypeVar

import pytest
from kazoo.exceptions import ConnectionLoss
from kazoo.handlers.threading import KazooTimeoutError

from failover import following
from failover.decide import Mode, Policy
from failover.events import Announcement
from failover.following import SILENCE_BORNE_S, Clock, Counter, LetGoError, OrderFailedError, Say
from failover.journal import Entry, Outcome
from failover.panel import Thresholds
from failover.plan import Operation, Plan
from failover.requests import Control, Reply, Request

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


class Box:
    """A request's znode; it may be asked for at any time, and withdrawing it ends as the test says."""

    def __init__(self, withdrawn: Exception | None = None) -> None:
        self._withdrawn = withdrawn

    def submit(self, _: Request) -> None:
        """Hand it in."""

    def reply_to(self, _: Request) -> Reply | None:
        return None

    def withdraw(self, _: Request) -> None:
        if self._withdrawn:
            raise self._withdrawn


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch):
    """Orders what the journal then tells of, each look a second later; returns the operation's end."""

    def ordered(box: Box, *answers: Entry | Exception | None) -> Entry:
        monkeypatch.setattr(following, "holder", lambda _: "wit-zk1")
        monkeypatch.setattr(following, "announcement", lambda _: None)
        seconds = count()
        counter = Counter(None, Clock(lambda: float(next(seconds)), lambda _: None), print)  # type: ignore[arg-type]
        journal = Answers(*answers)
        monkeypatch.setattr(journal, "current", lambda: None, raising=False)
        monkeypatch.setattr(counter, "_journal", journal)
        monkeypatch.setattr(counter, "_box", box)
        return counter.order(Request("op-1", Operation.FAILBACK, "operator", "test", 0.0, ()))

    return ordered


def test_an_order_is_followed_though_its_withdrawal_stays_unanswered(order):
    """It stands in the journal, and the request goes with the session."""
    assert order(Box(ConnectionLoss()), None, RUNNING, ENDED) == ENDED


def test_an_ensemble_that_elects_as_an_order_is_taken_ends_no_watch(order):
    assert order(Box(), None, ConnectionLoss(), KazooTimeoutError(), RUNNING, ENDED) == ENDED


@pytest.fixture
def voices(monkeypatch: pytest.MonkeyPatch):
    """The agents that have a session with ZooKeeper."""
    heard: list[str] = []
    monkeypatch.setattr(following, "children", lambda *_: tuple(heard))
    return heard


def test_an_order_that_nobody_takes_ends_with_who_should_have_and_what_helps(order) -> None:
    with pytest.raises(OrderFailedError, match=r"wit-zk1 is in office and did not take notice within 15 s"):
        order(Box(), None)


def test_an_order_taken_as_it_was_given_up_is_followed(order) -> None:
    """It went through the journal's transaction before the request was withdrawn."""
    looks = int(following.TAKEN_WITHIN_S) - 1
    assert order(Box(), *[None] * looks, RUNNING, ENDED) == ENDED


@pytest.mark.parametrize(
    ("speaking", "words"),
    [
        ([], "none has a session with ZooKeeper. Start twinsite-agent"),
        (["dc1-app1"], "dc1-app1 has a session"),
        (["dc1-app1", "wit-zk1"], "dc1-app1, wit-zk1 have a session"),
    ],
)
def test_where_nobody_is_in_office_the_agents_that_speak_are_named_in_bounded_time(
    monkeypatch, voices, speaking, words
) -> None:
    voices.extend(speaking)
    monkeypatch.setattr(following, "holder", lambda _: None)
    waited: list[float] = []
    clock = Clock(lambda: sum(waited), waited.append)

    with pytest.raises(OrderFailedError) as refused:
        Counter(None, clock, print).order(Request("op-1", Operation.SWITCHOVER, "anna", "test", 0.0))  # type: ignore[arg-type]

    assert words in str(refused.value)
    assert "--plain" in str(refused.value)
    assert sum(waited) == pytest.approx(following.OFFICE_WITHIN_S, abs=0.2)


@pytest.mark.parametrize("task", [Operation.FAILBACK, Control.ABORT])
def test_agents_that_only_observe_are_asked_for_nothing_and_the_way_out_is_named(monkeypatch, task) -> None:
    observing = Announcement(1.0, "wit-zk1", 1, Policy(Mode.OBSERVE), Thresholds(), ())
    monkeypatch.setattr(following, "holder", lambda _: "wit-zk1")
    monkeypatch.setattr(following, "announcement", lambda _: observing)
    counter = Counter(None, Clock(lambda: 0.0, lambda _: None), print)  # type: ignore[arg-type]

    with pytest.raises(OrderFailedError, match=r"observe-only.*set agent_mode: active") as refused:
        counter.require_office(Request("op-1", task, "anna", "test", 0.0))
    assert "--plain" not in str(refused.value)


def test_whoever_hears_nothing_of_an_order_is_told_that_it_may_have_been_begun(order):
    with pytest.raises(LetGoError, match=r"does not answer.*op-1 may have been begun.*operation show op-1"):
        order(Box(ConnectionLoss()), ConnectionLoss())
