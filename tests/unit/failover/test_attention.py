"""Whom an agent asks at once, and whom it leaves in peace."""

from __future__ import annotations

from collections.abc import Callable

from failover.attention import ALERT_FOR_S, NUDGE_EVERY_S, SETTLES_S, Attention
from failover.model import Node
from failover.views import Outcome, Signal

ONE, TWO, FAR = (
    Node("dc1-db1", "dc1", "10.0.1.1"),
    Node("dc1-db2", "dc1", "10.0.1.2"),
    Node("dc2-db1", "dc2", "10.0.2.1"),
)
ANSWERS, REFUSED, SILENT, MUTE = (
    Signal(outcome) for outcome in (Outcome.ANSWERS, Outcome.REFUSED, Outcome.SILENT, Outcome.MUTE)
)


class Watched:
    def __init__(self) -> None:
        self.signal, self.nudges = ANSWERS, 0

    def nudge(self) -> None:
        self.nudges += 1


class Scene:
    """Three hosts, a clock and a timer by hand, and what was said to peers and publisher."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.said: list[str] = []
        self.attention = Attention(
            lambda: self.now,
            later=lambda after_s, look: self.due.append((self.now + after_s, look)),
            wake=lambda: self.said.append("wake"),
            changed=lambda: self.said.append("changed"),
        )
        self.watches = {node: Watched() for node in (ONE, TWO, FAR)}
        for node, watch in self.watches.items():
            self.attention.keep(node, watch)

    @property
    def nudges(self) -> list[int]:
        return [watch.nudges for watch in self.watches.values()]

    def passes(self, seconds: float) -> None:
        self.now += seconds
        for at, look in [each for each in self.due if each[0] <= self.now]:
            self.due.remove((at, look))
            look()

    def notice(self, node: Node, signal: Signal) -> None:
        self.watches[node].signal = signal
        self.attention.noticed(node, signal)


def test_what_falls_silent_has_its_whole_site_asked_and_all_peers_told() -> None:
    for signal in (SILENT, MUTE):
        scene = Scene()
        scene.notice(ONE, signal)

        assert (scene.nudges, scene.said, scene.attention.alert) == ([1, 1, 0], ["wake"], True)
        scene.passes(ALERT_FOR_S)
        assert not scene.attention.alert


def test_a_site_is_not_asked_again_at_once_and_another_is() -> None:
    scene = Scene()
    scene.notice(ONE, SILENT)
    scene.notice(TWO, SILENT)
    scene.notice(FAR, SILENT)
    assert (scene.nudges, scene.said) == ([1, 1, 1], ["wake"])

    scene.passes(NUDGE_EVERY_S)
    scene.notice(ONE, SILENT)
    assert scene.nudges == [2, 2, 1]


def test_a_refusal_is_left_in_peace_until_it_has_lasted() -> None:
    scene = Scene()
    scene.notice(ONE, REFUSED)
    scene.passes(SETTLES_S / 2)
    assert (scene.nudges, scene.said, scene.attention.alert) == ([0, 0, 0], [], False)

    scene.passes(SETTLES_S / 2)
    assert (scene.nudges, scene.said, scene.attention.alert) == ([1, 0, 0], ["changed"], False)


def test_what_answers_again_by_then_is_asked_once_and_published_with_the_rest() -> None:
    """A new role comes this way, and PostgreSQL that was only restarted."""
    scene = Scene()
    scene.notice(ONE, REFUSED)
    scene.watches[ONE].signal = ANSWERS
    scene.passes(SETTLES_S)

    assert (scene.nudges, scene.said) == ([1, 0, 0], [])
