"""A private ZooKeeper server on loopback, gone when the tests end.

Servers come from the hosts' own image: the versions are the estate's, and this machine needs none installed.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from infra import paths
from infra.image import Image, Recipe

CLASSPATH = "/usr/share/java/*"
STARTS_WITHIN_S, ENDS_WITHIN_S = 120.0, 60.0
# A JVM that waits for the processor is silent for seconds: no test here waits for a session's end.
SESSION_S = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def of_the_image(command: list[str], home: Path) -> list[str]:
    """The command line that runs a program of the image on this network, with `home` to write to."""
    image = Image(Recipe.of_checkout(paths.CHECKOUT), paths.images()).base.directory
    quiet = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--read-only"]
    return [*quiet, f"--directory={image}", f"--bind={home}", "--", *command]


@pytest.fixture(scope="session")
def of_image() -> Callable[[list[str], Path], list[str]]:
    return of_the_image


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a standalone server."""
    home, port = tmp_path_factory.mktemp("zookeeper"), free_port()
    config = home / "zoo.cfg"
    config.write_text(
        f"tickTime=200\ndataDir={home / 'data'}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        f"admin.enableServer=false\nmaxSessionTimeout={SESSION_S * 1000:.0f}\n"
    )
    command = [
        "java",
        "-Xmx128m",
        "-Dzookeeper.forceSync=no",  # what a crash of this machine would cost is nothing here
        "-cp",
        CLASSPATH,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        str(config),
    ]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(of_the_image(command, home), stdout=log, stderr=log)
    try:
        await_port(port, home / "log")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()  # nspawn ends what it runs; killed, it would leave the server behind
        server.wait(ENDS_WITHIN_S)


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
        new = KazooClient(hosts=zookeeper, timeout=SESSION_S)
        new.start(timeout=STARTS_WITHIN_S)
        made.append(new)
        return new

    make().delete("/twinsite", recursive=True)
    yield make
    for each in made:
        each.stop()
        each.close()
