"""An agent's session goes back to its own site's ZooKeeper, and not while something is going on."""

import socket

import pytest

from failover.homing import Homing
from failover.model import Node
from failover.observe.zookeeper import PromptHandler

HOME = Node("wit-zk1", "wit", "192.0.2.41")
AWAY = "192.0.2.31"


class Line:
    """A connection to `peer`."""

    def __init__(self, peer: str | None) -> None:
        self._peer, self.hung_up = peer, False

    def peer(self) -> str | None:
        return self._peer

    def hang_up(self) -> None:
        self.hung_up = True


@pytest.mark.parametrize(
    ("peer", "serves", "busy", "left"),
    [
        (AWAY, True, False, True),
        (AWAY, False, False, False),
        (AWAY, True, True, False),
        (HOME.address, True, False, False),
        (None, True, False, False),
    ],
)
def test_a_far_server_is_left_for_a_near_one_that_serves(
    peer: str | None, serves: bool, busy: bool, left: bool
) -> None:
    line = Line(peer)
    Homing(line, [HOME], serves=lambda _: serves, busy=lambda: busy).look()
    assert line.hung_up is left


def test_hanging_up_ends_the_connection_that_was_made_last() -> None:
    handler = PromptHandler()
    assert handler.peer() is None
    handler.hang_up()
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = handler.create_connection(address=server.getsockname(), timeout=1.0)
        accepted, _ = server.accept()
        with accepted, made:
            assert handler.peer() == "127.0.0.1"
            handler.hang_up()
            assert made.recv(1) == b""
            assert accepted.recv(1) == b""
    assert handler.peer() is None
