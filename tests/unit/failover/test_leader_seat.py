"""ZooKeeper's leadership leaves a data site, and only when the ensemble can spare the moment."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from failover.leader_seat import (
    LEAVES_AGAIN_AFTER_S,
    LEAVES_AT_LEAST_EVERY_S,
    LeaderSeat,
    leader_seat,
    may_leave,
)
from failover.model import Node, Unreachable, ZooKeeperState

HERE, OTHER, WITNESS = (
    Node("dc1-app1", "dc1", "192.0.2.1"),
    Node("dc2-app1", "dc2", "192.0.2.2"),
    Node("wit-zk1", "wit", "192.0.2.3"),
)
SERVERS = (HERE, OTHER, WITNESS)


def server(mode: str, synced: int | None = None, mismatches: int = 0) -> ZooKeeperState:
    return ZooKeeperState(mode, "3.9.3", 7, 0.1, 0, 3, synced, mismatches)


LED_HERE: dict[str, ZooKeeperState | Unreachable] = {
    HERE.name: server("leader", synced=2),
    OTHER.name: server("follower"),
    WITNESS.name: server("follower"),
}
LED_BY_THE_WITNESS = {
    **LED_HERE,
    HERE.name: server("follower"),
    WITNESS.name: server("leader", synced=2),
}
LED_THERE = {**LED_HERE, HERE.name: server("follower"), OTHER.name: server("leader", synced=2)}


class World:
    """What the servers say, whether anything is going on, and how often the leadership was left."""

    def __init__(self) -> None:
        self.answers: Mapping[str, ZooKeeperState | Unreachable] = LED_HERE
        self.busy, self.left, self.now = False, 0, 0.0
        self.seat = LeaderSeat(
            HERE,
            SERVERS,
            (WITNESS,),
            self.ask,
            busy=lambda: self.busy,
            leave=self.leave,
            monotonic=lambda: self.now,
        )

    def look(self, answers: Mapping[str, ZooKeeperState | Unreachable], times: int = 1) -> None:
        self.answers = answers
        for _ in range(times):
            self.seat.look()

    def ask(self, servers: Sequence[Node]) -> Mapping[str, ZooKeeperState | Unreachable]:
        return {server.name: self.answers[server.name] for server in servers}

    def leave(self) -> None:
        self.left += 1


def test_a_leadership_that_stays_in_a_data_site_is_left_at_the_second_look() -> None:
    world = World()
    world.seat.look()
    assert world.left == 0
    world.seat.look()
    assert world.left == 1


def test_one_that_was_somewhere_else_in_between_is_looked_at_twice_again() -> None:
    world = World()
    world.seat.look()
    world.answers = LED_THERE
    world.seat.look()
    world.answers = LED_HERE
    world.seat.look()
    assert world.left == 0


def test_it_is_not_left_while_something_is_going_on() -> None:
    world = World()
    world.busy = True
    for _ in range(5):
        world.seat.look()
    assert world.left == 0
    world.busy = False
    world.seat.look()
    assert world.left == 1


@pytest.mark.parametrize("between", [LED_HERE, LED_THERE])
def test_one_that_comes_back_past_the_witness_is_left_again_at_twice_the_distance(
    between: Mapping[str, ZooKeeperState | Unreachable],
) -> None:
    world, left_at = World(), []
    for second in range(12_000):
        world.now = float(second)
        world.look(between)
        world.look(LED_HERE, times=2)
        if world.left > len(left_at):
            left_at.append(second)

    assert [late - early for early, late in pairwise(left_at)] == [
        min(LEAVES_AGAIN_AFTER_S * 2**n, LEAVES_AT_LEAST_EVERY_S) for n in range(len(left_at) - 1)
    ]
    assert len(left_at) == 9


def test_one_that_comes_back_after_the_witness_led_is_left_again() -> None:
    world = World()
    world.look(LED_HERE, times=2)
    world.look(LED_BY_THE_WITNESS)
    world.look(LED_HERE, times=2)
    world.look(LED_BY_THE_WITNESS)
    world.look(LED_HERE, times=2)
    assert world.left == 3


@pytest.mark.parametrize(
    "answers",
    [
        {**LED_HERE, WITNESS.name: Unreachable("no answer")},
        {**LED_HERE, HERE.name: server("leader", synced=1)},
        {**LED_HERE, OTHER.name: server("follower", mismatches=1)},
        {**LED_HERE, HERE.name: Unreachable("no answer")},
        LED_THERE,
    ],
)
def test_only_a_whole_ensemble_is_asked_to_elect(answers: Mapping[str, ZooKeeperState | Unreachable]) -> None:
    assert may_leave(LED_HERE, HERE.name)
    assert not may_leave(answers, HERE.name)


@pytest.mark.parametrize(
    ("here", "servers", "asking", "watched"),
    [
        (HERE, SERVERS, True, True),
        (WITNESS, SERVERS, True, False),
        (HERE, (OTHER, WITNESS), True, False),
        (HERE, (HERE, OTHER), True, False),
        (HERE, SERVERS, False, False),
    ],
)
def test_only_a_data_site_with_a_server_and_a_witness_keeps_the_watch(
    here: Node, servers: tuple[Node, ...], asking: bool, watched: bool, tmp_path: Path
) -> None:
    tls = ssl.create_default_context()
    seat = leader_seat(
        here, servers, {"wit"}, tls, busy=lambda: False, asking=tmp_path / "restart" if asking else None
    )
    assert (seat is not None) is watched
