"""The worker's election in a real ZooKeeper (Debian's), whose loss must end the office, not the process."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from app.devserver import free_port
from app.settings import Settings
from app.worker import office

JARS = Path("/usr/share/java")
SECONDS = 120

pytestmark = pytest.mark.skipif(
    shutil.which("java") is None or not (JARS / "zookeeper.jar").exists(),
    reason="Debian's zookeeper is not installed",
)


@pytest.fixture(scope="module")
def zookeeper(tmp_path_factory):
    home, port = tmp_path_factory.mktemp("zookeeper"), free_port()
    (home / "zoo.cfg").write_text(
        f"tickTime=500\ndataDir={home}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        f"admin.enableServer=false\nmaxSessionTimeout={SECONDS * 1000}\n"
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = [
        "java",
        "-Xmx64m",
        "-Dzookeeper.forceSync=no",
        "-cp",
        str(JARS / "*"),
        main,
        str(home / "zoo.cfg"),
    ]
    with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _await(port, home / "log")
            yield f"127.0.0.1:{port}", server
        finally:
            server.kill()


def _await(port, log):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"ZooKeeper did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def patient(monkeypatch):
    """Nobody loses an office because the machine stood still."""
    monkeypatch.setattr(office, "SESSION_SECONDS", SECONDS)
    monkeypatch.setattr(office, "ANSWER_SECONDS", SECONDS)


@pytest.fixture
async def offices(zookeeper):
    settings = {"database_url": "x", "zookeeper": zookeeper[0]}
    made = [office.office_of(Settings(**settings, host=host)) for host in ("app1", "app2")]
    yield made
    for each in made:
        await each.close()


async def elected(*offices):
    """Everybody stands until somebody holds it; who that is."""
    async with asyncio.timeout(SECONDS):
        while True:
            for each in offices:
                if await each.campaign():
                    return each
            await asyncio.sleep(0.1)


async def test_one_is_elected_and_keeps_it_while_it_stands(patient, offices):
    first = await elected(*offices)
    (second,) = [each for each in offices if each is not first]
    assert [await first.campaign(), await second.campaign()] == [True, False]
    await first.close()
    assert not first.held
    assert await elected(second) is second


async def test_a_silent_zookeeper_ends_the_office_and_it_is_taken_anew(offices, zookeeper):
    first = await elected(*offices)
    zookeeper[1].send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(SECONDS):
            while first.held:
                await asyncio.sleep(0.05)
        assert not await first.campaign()
    finally:
        zookeeper[1].send_signal(signal.SIGCONT)
    async with asyncio.timeout(SECONDS):
        while not (await elected(*offices)).held:
            pass
    assert sum(each.held for each in offices) == 1
