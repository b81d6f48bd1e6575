"""A PostgreSQL that stops, looked at directly: seen at once, and not disturbed before."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from app.devserver import THROWAWAY, PrivateServer, running_server
from failover import closeup
from failover.closeup import DirectCloseUp

HOST = "dc1-db1"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateServer]:
    """PostgreSQL, and a port that accepts in Patroni's place."""
    with running_server(THROWAWAY) as private, socket.socket() as patroni:
        patroni.bind(("127.0.0.1", 0))
        patroni.listen(64)
        monkeypatch.setattr(closeup, "POSTGRESQL_PORT", private.port)
        monkeypatch.setattr(closeup, "PATRONI_PORT", patroni.getsockname()[1])
        yield private


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports that looks have connected to."""
    made: list[int] = []
    connect: Callable[..., socket.socket] = socket.create_connection

    def counted(address: tuple[str, int], timeout: float) -> socket.socket:
        made.append(address[1])
        return connect(address, timeout=timeout)

    monkeypatch.setattr(closeup.socket, "create_connection", counted)
    return made


def close_up(server: PrivateServer) -> DirectCloseUp:
    access = f"host=127.0.0.1 port={server.port} user=postgres password={server.password}"
    return DirectCloseUp({HOST: "127.0.0.1"}, lambda _, database: f"{access} dbname={database}")


def test_a_server_that_keeps_our_session_is_not_asked(server: PrivateServer, connections: list[int]) -> None:
    look = close_up(server)
    assert look.promoted(HOST)

    assert [look.stopped(HOST) for _ in range(3)] == [False] * 3
    assert connections == []

    server.stop(signal.SIGINT)
    assert look.stopped(HOST)
    assert len(connections) == 2


def test_without_a_session_its_port_tells(server: PrivateServer, connections: list[int]) -> None:
    look = close_up(server)
    assert not look.stopped(HOST)
    server.stop(signal.SIGINT)
    assert look.stopped(HOST)
    assert connections[0] == server.port


def test_a_session_that_ended_while_the_server_runs_is_no_stop(server: PrivateServer) -> None:
    look = close_up(server)
    assert look.promoted(HOST)
    server.stop(signal.SIGINT)
    server.start()

    assert not look.stopped(HOST)
