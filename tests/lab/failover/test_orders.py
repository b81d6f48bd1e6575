"""On a real ZooKeeper: an operator orders, watches, aborts; an elected agent dies in the middle of a switch.

Brains, journal, desk and leadership are real; the estate that they act on is the rehearsal.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from kazoo.client import KazooClient

from failover.brain import Brain, Standing
from failover.decide import Mode, Policy
from failover.desk import Desk, Seat
from failover.events import EventLog, current
from failover.following import Clock as Watch
from failover.following import Counter, LetGoError, OperationBusyError, OrderFailedError
from failover.inspection import Inspection
from failover.journal import Entry, Event, Outcome
from failover.journal_store import JournalReader, ZooKeeperJournal
from failover.leadership import Leadership
from failover.model import Unreachable
from failover.panel import Picture, Thresholds
from failover.plan import Operation
from failover.planners import planners
from failover.proof.hands import actuators
from failover.proof.rehearsal import Rehearsal, Sensors
from failover.proof.scenery import Scene, picture
from failover.requests import Control, Request, RequestBox
from failover.runner import Clock, Runner
from failover.verbs import Check, Expectation
from tests.lab.waiting import until

pytestmark = pytest.mark.lab
WATCH = Watch(time.monotonic, time.sleep)
WITHIN_S = 60.0


class Blind:
    """An inspector that reaches nobody."""

    def inspect(self, _hosts) -> Inspection:
        return Inspection({}, {})

    def server(self, _host) -> Unreachable:
        return Unreachable("nobody")


class Gate:
    def close(self) -> str:
        return "closed"

    def open(self) -> str:
        return "open"


class Slow(Sensors):
    """Answers as the estate does, but the check named `waits_for` holds only once `go` is set."""

    def __init__(self, estate: Rehearsal, waits_for: Check | None, go: threading.Event) -> None:
        super().__init__(estate)
        self._waits_for, self._go, self.asked = waits_for, go, threading.Event()

    def _holds(self, expectation: Expectation) -> bool:
        if expectation.check is self._waits_for and not self._go.is_set():
            self.asked.set()
            return False
        return super()._holds(expectation)


class _DiedError(BaseException):
    """Past whatever the agent would catch."""


class Agent:
    """An agent's brain in a thread of its own. `die` ends it while it waits for a check, without goodbye."""

    def __init__(
        self,
        client: KazooClient,
        name: str,
        estate: Rehearsal,
        *,
        waits_for: Check | None = None,
        mode: Mode = Mode.ACTIVE,
    ) -> None:
        self._client, self._estate = client, estate
        self.go, self._ended = threading.Event(), threading.Event()
        self.sensors = Slow(estate, waits_for, self.go)
        self._thread = threading.Thread(target=self._work, args=(self._brain(client, name, mode),))
        self._thread.start()

    def _brain(self, client: KazooClient, name: str, mode: Mode) -> Brain:
        leadership, policy = Leadership(client, name), Policy(mode=mode)
        leadership.prepare()
        journal, box = ZooKeeperJournal(client, leadership), RequestBox(client)
        chronicle = EventLog(client, leadership, name, time.time, policy=policy, thresholds=Thresholds())
        for each in (journal, box, chronicle):
            each.prepare()
        clock = Clock(time.monotonic, time.time, self._sleep)
        return Brain(
            standing=Standing(name, preferred=True, preferred_sites=frozenset({"wit"})),
            policy=policy,
            office=leadership,
            look=self._look,
            journal=journal,
            runner=Runner(
                store=journal,
                actuators=actuators(self._estate),
                sensors=self.sensors,
                guard=leadership,
                clock=clock,
            ),
            chronicle=chronicle,
            gate=Gate(),
            clock=clock,
            desk=Desk(
                box,
                Seat(name, mode, lambda: leadership.epoch),
                planners(Blind(), JournalReader(client).newest),
                JournalReader(client),
            ),
        )

    def _look(self) -> Picture:
        current, (leader, session) = JournalReader(self._client).current(), self._estate.key or (None, 0)
        return picture(
            Scene(
                leader=leader,
                session=session,
                sync=frozenset(self._estate.sync),
                primaries=frozenset(self._estate.primaries),
                operation=current.id if current else None,
            )
        )

    def _sleep(self, seconds: float) -> None:
        if self._ended.wait(0.02):
            raise _DiedError
        self._estate.sleep(seconds)

    def _work(self, brain: Brain) -> None:
        with contextlib.suppress(_DiedError):
            while not self._ended.wait(0.05):
                brain.tick()

    def die(self) -> None:
        self._ended.set()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()
        self._client.stop()


@pytest.fixture
def agent(client: Callable[[], KazooClient]) -> Iterator[Callable[..., Agent]]:
    made: list[Agent] = []

    def make(name: str, estate: Rehearsal, **how) -> Agent:
        made.append(Agent(client(), name, estate, **how))
        return made[-1]

    yield make
    for each in made:
        each.die()


def asked(task=Operation.SWITCHOVER, name: str = "a", **arguments) -> Request:
    return Request.of(task, name=name, by="operator", reason="test", at=time.time(), **arguments)


def in_background(
    counter: Counter, request: Request, wait_s: float = 0.0
) -> tuple[threading.Thread, list[Entry]]:
    ended: list[Entry] = []
    thread = threading.Thread(target=lambda: ended.append(counter.order(request, wait_s=wait_s)))
    thread.start()
    return thread, ended


def test_an_order_is_carried_out_and_every_step_is_told_as_it_happens(client, agent) -> None:
    estate, said = Rehearsal(), []
    agent("wit-zk1", estate)

    entry = Counter(client(), WATCH, said.append).order(asked(site="dc2"))

    assert entry.outcome is Outcome.DONE
    assert estate.writer == "dc2-db1"
    text = "\n".join(said)
    assert "ordered by operator (test)" in said[0]
    assert (
        text.index("pause every pool")
        < text.index("release the leader key")
        < text.index("resume every pool")
    )
    assert said[-1].endswith("done")
    assert RequestBox(client()).waiting() == ()


def test_a_refusal_reaches_the_operator(client, agent) -> None:
    agent("wit-zk1", Rehearsal())

    with pytest.raises(OrderFailedError, match="dc1-db1 already"):
        Counter(client(), WATCH, print).order(asked(site="dc1"))


def test_agents_that_only_observe_and_agents_that_are_away_are_said_to(client, agent) -> None:
    with pytest.raises(OrderFailedError, match=r"no agent is in office.*none has a session.*--plain"):
        Counter(client(), Watch(iter(range(100)).__next__, lambda _: None), print).order(asked(site="dc2"))
    agent("wit-zk1", Rehearsal(), mode=Mode.OBSERVE)
    counter = Counter(client(), WATCH, print)
    reader = client()

    def told() -> None:
        assert current(reader) is not None, "no agent has announced anything"

    until(told)
    with pytest.raises(OrderFailedError, match="observe-only"):
        counter.order(asked(site="dc2"))


def test_the_second_operator_is_told_who_runs_what_or_waits(client, agent) -> None:
    estate = Rehearsal()
    running = agent("wit-zk1", estate, waits_for=Check.STREAMS)
    first, ended = in_background(Counter(client(), WATCH, print), asked(site="dc2"))
    assert running.sensors.asked.wait(WITHIN_S)

    with pytest.raises(OperationBusyError, match=r"is under way: switch the primary.*ordered by operator"):
        Counter(client(), WATCH, print).order(asked(name="b", site="dc1"))
    said: list[str] = []
    second, then = in_background(Counter(client(), WATCH, said.append), asked(name="c", site="dc1"), WITHIN_S)
    second.join(0.5)
    assert second.is_alive()
    running.go.set()
    for thread in (first, second):
        thread.join(WITHIN_S)

    assert [each.outcome for each in (*ended, *then)] == [Outcome.DONE, Outcome.DONE]
    assert said[0].startswith("waits for")


def test_an_operator_aborts_while_there_is_a_way_back(client, agent) -> None:
    estate = Rehearsal()
    running = agent("wit-zk1", estate, waits_for=Check.CHECKPOINT_RECENT)
    first, ended = in_background(Counter(client(), WATCH, print), asked(site="dc2"))
    assert running.sensors.asked.wait(WITHIN_S)
    (begun,) = JournalReader(client()).entries()

    reply = Counter(client(), WATCH, print).control(asked(Control.ABORT, id=begun.id))

    assert reply.accepted
    first.join(WITHIN_S)
    assert [each.outcome for each in ended] == [Outcome.ROLLED_BACK]
    assert any("aborted by operator: test" in record.evidence for record in ended[0].records)
    assert estate.writer == "dc1-db1"


def interrupting(when: Callable[[], bool]) -> Watch:
    """A watch whose user presses Ctrl-C at the first look at which that is so."""

    def sleep(seconds: float) -> None:
        if when():
            raise KeyboardInterrupt
        time.sleep(seconds)

    return Watch(time.monotonic, sleep)


def test_an_operator_who_leaves_is_told_how_to_watch_and_the_operation_goes_on(client, agent) -> None:
    estate = Rehearsal()
    running = agent("wit-zk1", estate, waits_for=Check.STREAMS)

    with pytest.raises(LetGoError, match=r"goes on without this program\. Watch it: twinsite operation show"):
        Counter(client(), interrupting(running.sensors.asked.is_set), print).order(asked(site="dc2"))
    running.go.set()

    (begun,) = JournalReader(client()).entries()
    assert Counter(client(), WATCH, print).follow(begun).outcome is Outcome.DONE
    assert estate.writer == "dc2-db1"


def test_an_order_that_nobody_has_taken_ends_with_its_operators_program(client) -> None:
    zk = client()
    leadership = Leadership(zk, "wit-zk1")  # in office, and deaf
    leadership.prepare()
    assert leadership.campaign()

    third_look = iter([False, False, False, True]).__next__
    with pytest.raises(OrderFailedError, match="nothing was begun"):
        Counter(client(), interrupting(third_look), print).order(asked(site="dc2"))
    assert RequestBox(zk).waiting() == ()

    hasty = Watch(iter(range(100)).__next__, lambda _: None)
    with pytest.raises(OrderFailedError, match=r"wit-zk1 is in office and did not.*nothing was begun"):
        Counter(client(), hasty, print).order(asked(site="dc2"))
    assert RequestBox(zk).waiting() == ()


@pytest.mark.parametrize(
    ("dies_at", "outcome", "writer"),
    [
        (Check.CHECKPOINT_RECENT, Outcome.ROLLED_BACK, "dc1-db1"),
        (Check.POOLS_PAUSED, Outcome.ROLLED_BACK, "dc1-db1"),
        (Check.IS_PRIMARY, Outcome.DONE, "dc2-db1"),
        (Check.STREAMS, Outcome.DONE, "dc2-db1"),
    ],
)
def test_a_successor_ends_what_a_dead_agent_began_and_the_operator_sees_it(
    client, agent, dies_at, outcome, writer
) -> None:
    estate, said = Rehearsal(), []
    first = agent("wit-zk1", estate, waits_for=dies_at)
    order, ended = in_background(Counter(client(), WATCH, said.append), asked(site="dc2"))
    assert first.sensors.asked.wait(WITHIN_S)

    first.die()
    agent("dc1-app1", estate)
    order.join(WITHIN_S)

    assert [each.outcome for each in ended] == [outcome]
    assert estate.writer == writer
    assert estate.paused is None
    assert len({record.epoch for record in ended[0].records}) == 2
    assert any("a successor goes on, under epoch" in text for text in said)
    if outcome is Outcome.ROLLED_BACK:
        assert Event.ABORTED in {record.event for record in ended[0].records}
