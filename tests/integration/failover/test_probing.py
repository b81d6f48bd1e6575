"""Probes against real sockets and a real PostgreSQL: answers, refused, mute and silent are told apart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from app.devserver import THROWAWAY, PrivateServer, running_server
from failover.heartbeats import Heartbeats
from failover.probing import Pace, Watch
from failover.targets import SESSIONS_MAX, Probed, RestTarget, SqlTarget, TcpTarget, classify
from failover.views import Outcome

# What answers on this machine has done so by then, however busy it is.
TIMEOUT_S = 10.0
WAIT_S = 120.0


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


def only_backend(target: SqlTarget) -> int:
    (session,) = target._idle
    return session.info.backend_pid


async def test_postgresql_answers_until_it_is_gone_and_again_when_it_is_back() -> None:
    with running_server(THROWAWAY) as server:
        target = SqlTarget(conninfo(server), "127.0.0.1", server.port, TIMEOUT_S)
        assert await target.probe() == Probed(Outcome.ANSWERS, "primary")
        assert (await target.probe()).outcome is Outcome.ANSWERS
        server.stop(signal.SIGQUIT)
        assert (await target.probe()).outcome is Outcome.REFUSED
        assert (await target.probe()).outcome is Outcome.REFUSED
        server.start()
        assert (await target.probe()).outcome is Outcome.ANSWERS


async def test_a_frozen_session_is_mute_and_does_not_hold_the_prober(postgres_server: PrivateServer) -> None:
    target = SqlTarget(conninfo(postgres_server), "127.0.0.1", postgres_server.port, TIMEOUT_S)
    assert (await target.probe()).outcome is Outcome.ANSWERS
    backend = only_backend(target)
    os.kill(backend, signal.SIGSTOP)
    try:
        assert (await asyncio.wait_for(target.probe(), WAIT_S)).outcome is Outcome.MUTE
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


async def test_a_refusal_is_not_published_at_once_and_an_answer_after_it_is() -> None:
    published: list[Outcome] = []
    target = Turncoat()
    clock = asyncio.get_running_loop().time
    watch = Watch(target, Pace(), clock, lambda: published.append(watch.signal.outcome))
    await watch.once()
    for target.outcome in (Outcome.REFUSED, Outcome.REFUSED, Outcome.REFUSED, Outcome.ANSWERS):
        await watch.once()

    assert published == [Outcome.ANSWERS, Outcome.ANSWERS]


async def test_a_server_that_ends_a_session_with_a_word_refuses(postgres_server: PrivateServer) -> None:
    """Its port accepts: a bare connect would tell of a frozen server."""
    target = SqlTarget(conninfo(postgres_server), "127.0.0.1", postgres_server.port, TIMEOUT_S)
    assert (await target.probe()).outcome is Outcome.ANSWERS
    os.kill(only_backend(target), signal.SIGTERM)

    assert await target.probe() == Probed(Outcome.REFUSED, "AdminShutdown")
    assert (await target.probe()).outcome is Outcome.ANSWERS


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
    async with asyncio.timeout(WAIT_S):
        while one.heard_ms("two") is None:
            await asyncio.sleep(0.02)
    for transport, _ in opened:
        transport.close()


async def test_a_word_of_something_amiss_wakes_peers_once_and_is_no_heartbeat() -> None:
    loop = asyncio.get_running_loop()
    port = free_port()
    woken: list[str] = []
    one = Heartbeats("one", {"two": "127.0.0.2"}, port, loop.time, woken=lambda: woken.append("one"))
    two = Heartbeats("two", {"one": "127.0.0.1"}, port, loop.time)
    opened = [
        await loop.create_datagram_endpoint(lambda each=each: each, local_addr=(address, port))
        for each, address in ((one, "127.0.0.1"), (two, "127.0.0.2"))
    ]
    assert not one.awake
    two.wake()
    two.wake()
    two.say()  # the same way, so it comes last
    async with asyncio.timeout(WAIT_S):
        while one.heard_ms("two") is None:
            assert (one.awake, len(woken)) in ((False, 0), (True, 1))
            await asyncio.sleep(0)
    for transport, _ in opened:
        transport.close()

    assert one.awake
    assert woken == ["one"]


class Turncoat:
    """Answers until told otherwise, and counts how often it was asked."""

    keeps_waiting = False

    def __init__(self) -> None:
        self.outcome, self.asked = Outcome.ANSWERS, 0

    async def probe(self) -> Probed:
        self.asked += 1
        return Probed(self.outcome)


async def test_the_first_failure_alarms_and_a_nudge_does_not_wait_for_its_turn() -> None:
    pace = Pace(interval_s=600.0, slow_s=600.0, fast_s=0.01)
    clock = asyncio.get_running_loop().time
    neighbour, target = Turncoat(), Turncoat()
    beside = Watch(neighbour, pace, clock, lambda: None)
    watch = Watch(target, pace, clock, lambda: None, alarmed=lambda _: beside.nudge())
    async with asyncio.timeout(WAIT_S):
        running = asyncio.create_task(beside.forever())
        while beside.signal.streak < pace.sure_after:
            await asyncio.sleep(0.01)
        await watch.once()
        before, target.outcome = neighbour.asked, Outcome.SILENT
        await watch.once()
        while neighbour.asked == before:
            await asyncio.sleep(0.01)
    running.cancel()
    await watch.once()

    assert (watch.signal.streak, neighbour.asked) == (2, before + 1)


class Slow:
    """Fails after a whole timeout, as a silent host does."""

    keeps_waiting = False

    def __init__(self, together: int) -> None:
        self.under_way, self._together, self._all = 0, together, asyncio.Event()

    async def probe(self) -> Probed:
        """Ends when so many are under way."""
        self.under_way += 1
        if self.under_way == self._together:
            self._all.set()
        await asyncio.wait_for(self._all.wait(), WAIT_S)
        return Probed(Outcome.SILENT)


async def test_the_probes_that_make_sure_overlap_and_count_one_by_one() -> None:
    clock, target, changes = asyncio.get_running_loop().time, Slow(3), list[int]()
    watch = Watch(target, Pace(fast_s=0.01), clock, lambda: changes.append(watch.signal.streak))

    await watch.make_sure(3)

    assert target.under_way == 3
    assert (watch.signal.outcome, watch.signal.streak, changes) == (Outcome.SILENT, 3, [1, 3])


async def test_a_patroni_that_takes_its_time_is_asked_one_question_at_a_time() -> None:
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = RestTarget("127.0.0.1", port, ssl.create_default_context(), 0.5)
    watch = Watch(target, Pace(fast_s=0.1), asyncio.get_running_loop().time, lambda: None)

    await watch.make_sure(3)
    assert (len(accepted), watch.signal.outcome, watch.signal.streak) == (1, Outcome.MUTE, 1)
    await watch.make_sure(3)  # what it waited for is over, so the next look asks anew
    assert (len(accepted), watch.signal.streak) == (2, 2)

    server.close()
    for writer in accepted:
        writer.close()


async def test_a_session_that_hangs_counts_once_for_probes_that_overlap(
    postgres_server: PrivateServer,
) -> None:
    for _ in range(5):  # a machine that gives the server no time leaves the second without an answer, too
        hung, beside = await _beside_a_hung_session(postgres_server)
        assert hung is Outcome.MUTE
        if beside is not Outcome.MUTE:
            break
    assert beside is Outcome.ANSWERS


async def _beside_a_hung_session(server: PrivateServer) -> list[Outcome]:
    target = SqlTarget(conninfo(server), "127.0.0.1", server.port, TIMEOUT_S)
    assert (await target.probe()).outcome is Outcome.ANSWERS
    backend = only_backend(target)
    os.kill(backend, signal.SIGSTOP)
    try:
        return [found.outcome for found in await asyncio.gather(target.probe(), target.probe())]
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_server_that_answers_late_is_not_asked_by_ever_new_sessions(
    postgres_server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A starved server that must log agents in anew at each probe stays starved."""
    monkeypatch.setattr("failover.targets.HANG_UP_S", 300.0)
    target = SqlTarget(conninfo(postgres_server), "127.0.0.1", postgres_server.port, 0.2)
    while (await target.probe()).outcome is not Outcome.ANSWERS:
        pass
    first = only_backend(target)
    backends = set[int]()
    for _ in range(SESSIONS_MAX):
        while not target._idle:
            await target.probe()
        backends.add(target._idle[-1].info.backend_pid)
        os.kill(target._idle[-1].info.backend_pid, signal.SIGSTOP)
        assert (await target.probe()).outcome is not Outcome.ANSWERS
    try:
        assert len(target._asked) == SESSIONS_MAX == len(backends)
        assert (await target.probe()).outcome is not Outcome.ANSWERS
        assert target._connecting is None
    finally:
        for each in backends:
            os.kill(each, signal.SIGCONT)
    await asyncio.wait(target._asked)
    assert first in {session.info.backend_pid for session in target._idle} == backends


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key in one file, as hosts have it."""
    path = tmp_path_factory.mktemp("tls") / "host.pem"
    certificate = path.with_suffix(".crt")
    request = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ed25519",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=patroni",
    )
    subprocess.run([*request, "-keyout", path, "-out", certificate], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + certificate.read_bytes())
    return path


async def test_patronis_rest_is_asked_anew_each_time_and_its_report_read(pem: Path) -> None:
    """A server of HTTP/1.0, as Patroni's: it ends each connection after its answer."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1].decode())
        writer.write(
            b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"state": "running", "role": "replica"}).encode()
        )
        await writer.drain()
        writer.close()

    served, trusted = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(cafile=str(pem.with_suffix(".crt"))),
    )
    served.load_cert_chain(pem)
    trusted.check_hostname = False
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]
    target = RestTarget("127.0.0.1", port, trusted, TIMEOUT_S)

    seen = await target.probe()
    assert (seen.outcome, seen.report and seen.report.state) == (Outcome.ANSWERS, "running")
    server.close()
    assert (await target.probe()).outcome is Outcome.REFUSED
    server = await asyncio.start_server(answer, "127.0.0.1", port, ssl=served)
    assert (await target.probe()).outcome is Outcome.ANSWERS
    assert (await target.probe()).report == seen.report
    server.close()

    assert asked == ["/health", "/liveness", "/health"]
