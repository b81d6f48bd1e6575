"""Probes against real sockets and a real PostgreSQL: answers, refused, mute and silent are told apart."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import pytest

from app.devserver import PrivateServer, running_server
from failover.probing import Heartbeats, Pace, SqlTarget, TcpTarget, Watch, classify
from failover.views import Outcome

TIMEOUT_S = 1.0


@pytest.fixture
def mute_port():
    """A port whose kernel accepts and whose process never answers, as a frozen one's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_refused_and_mute_are_told_apart(mute_port: int) -> None:
    assert (await classify("127.0.0.1", free_port(), TIMEOUT_S)).outcome is Outcome.REFUSED
    assert (await classify("127.0.0.1", mute_port, TIMEOUT_S)).outcome is Outcome.MUTE
    assert (await TcpTarget("127.0.0.1", mute_port, TIMEOUT_S).probe()).outcome is Outcome.ANSWERS


async def test_a_full_listen_queue_is_silence() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        assert (await classify(*address, 0.2)).outcome is Outcome.SILENT
        for filler in fillers:
            filler.close()


def conninfo(server: PrivateServer) -> str:
    return f"host=127.0.0.1 port={server.port} user=postgres password={server.password} dbname=postgres"


async def test_postgresql_answers_until_it_is_gone_and_again_when_it_is_back() -> None:
    with running_server() as server:
        target = SqlTarget(conninfo(server), "127.0.0.1", server.port, TIMEOUT_S)
        assert (await target.probe()).outcome is Outcome.ANSWERS
        assert (await target.probe()).outcome is Outcome.ANSWERS
        server.stop(signal.SIGQUIT)
        assert (await target.probe()).outcome is Outcome.REFUSED
        assert (await target.probe()).outcome is Outcome.REFUSED
        server.start()
        assert (await target.probe()).outcome is Outcome.ANSWERS


async def test_a_frozen_session_is_mute_and_does_not_hold_the_prober(postgres_server: PrivateServer) -> None:
    target = SqlTarget(conninfo(postgres_server), "127.0.0.1", postgres_server.port, 0.3)
    assert (await target.probe()).outcome is Outcome.ANSWERS
    assert target._connection is not None
    backend = target._connection.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    try:
        assert (await asyncio.wait_for(target.probe(), 5)).outcome is Outcome.MUTE
    finally:
        os.kill(backend, signal.SIGCONT)
    assert (await target.probe()).outcome is Outcome.ANSWERS


async def test_a_watch_counts_and_reports_what_changed(mute_port: int) -> None:
    changes: list[int] = []
    watch = Watch(
        TcpTarget("127.0.0.1", mute_port, TIMEOUT_S),
        Pace(),
        asyncio.get_running_loop().time,
        lambda: changes.append(1),
    )

    await watch.once()
    await watch.once()

    assert (watch.signal.outcome, watch.signal.streak, len(changes)) == (Outcome.ANSWERS, 2, 1)


async def test_datagrams_are_heard_from_peers_only() -> None:
    loop = asyncio.get_running_loop()
    port = free_port()
    one = Heartbeats("one", {"two": "127.0.0.2"}, port, loop.time)
    two = Heartbeats("two", {"one": "127.0.0.1"}, port, loop.time)
    stranger = Heartbeats("two", {"one": "127.0.0.1"}, port, loop.time)
    opened = [
        await loop.create_datagram_endpoint(lambda each=each: each, local_addr=(address, port))
        for each, address in ((one, "127.0.0.1"), (two, "127.0.0.2"), (stranger, "127.0.0.3"))
    ]
    stranger.say()
    await asyncio.sleep(0.1)
    assert one.heard_ms("two") is None
    two.say()
    for _ in range(50):
        if one.heard_ms("two") is not None:
            break
        await asyncio.sleep(0.02)
    assert one.heard_ms("two") is not None
    for transport, _ in opened:
        transport.close()
