"""An agent's session goes back to its own site's ZooKeeper, and not while something is going on."""

import socket
from collections.abc import Collection

import pytest

from failover.homing import Homing
from failover.model import Node
from failover.observe.zookeeper import PromptHandler

HOME = Node("wit-zk1", "wit", "192.0.2.41")
AWAY = "192.0.2.31"


class Line:
    """A connection to `peer`."""

    def __init__(self, peer: str | None) -> None:
        self._peer, self.moved_to = peer, list[str]()

    def peer(self) -> str | None:
        return self._peer

    def move_to(self, addresses: Collection[str]) -> None:
        self.moved_to += addresses


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
    assert line.moved_to == ([HOME.address] if left else [])


def test_moving_ends_the_connection_and_passes_others_by_until_one_of_the_near_was_tried() -> None:
    handler = PromptHandler()
    assert handler.peer() is None
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.2", 0)) as home:
        made = handler.create_connection(address=server.getsockname(), timeout=1.0)
        accepted, _ = server.accept()
        with accepted, made:
            assert handler.peer() == "127.0.0.1"
            handler.move_to(["127.0.0.2"])
            assert made.recv(1) == b""
            assert accepted.recv(1) == b""
        assert handler.peer() is None
        with pytest.raises(ConnectionRefusedError, match="heading for"):
            handler.create_connection(address=server.getsockname(), timeout=1.0)
        handler.create_connection(address=home.getsockname(), timeout=1.0).close()
        handler.create_connection(address=server.getsockname(), timeout=1.0).close()
