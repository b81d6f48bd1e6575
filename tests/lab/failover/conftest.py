"""A private ZooKeeper server on loopback, from Debian's package `zookeeper`, gone when the tests end."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

CLASSPATH = "/usr/share/java/*"
STARTS_WITHIN_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a standalone server with a short tick, so that sessions end quickly."""
    assert Path("/usr/share/java/zookeeper.jar").exists(), "install Debian's package zookeeper"
    home, port = tmp_path_factory.mktemp("zookeeper"), free_port()
    config = home / "zoo.cfg"
    config.write_text(
        f"tickTime=200\ndataDir={home / 'data'}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\nminSessionTimeout=1000\n"
    )
    command = [
        "java",
        "-Xmx128m",
        "-cp",
        CLASSPATH,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        config,
    ]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "LC_ALL": "C"})
    try:
        await_port(port, home / "log")
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"ZooKeeper did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture
def client(zookeeper: str) -> Iterator[Callable[[], KazooClient]]:
    """Makes connected clients; each test gets an empty tree."""
    made: list[KazooClient] = []

    def make() -> KazooClient:
        new = KazooClient(hosts=zookeeper, timeout=2.0)
        new.start(timeout=10)
        made.append(new)
        return new

    make().delete("/twinsite", recursive=True)
    yield make
    for each in made:
        each.stop()
        each.close()
